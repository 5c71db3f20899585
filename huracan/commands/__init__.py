"""The command line's nouns, one module each; every command calls one function of a room or a job."""
