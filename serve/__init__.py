"""What stays up on a Ray cluster: feed, signals over HTTP, execution; shells over `huracan.signals` and `trader`."""
