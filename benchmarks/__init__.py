"""What `./run bench` measures: ours against a peer or a floor, in the same run. A module a hot path."""
