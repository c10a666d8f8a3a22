"""Floor 3: use cases, called as module.verb(). The only place where things happen."""
