"""The machines: njit updates over explicit float64 state arrays, one module per family of features."""
