"""What end-to-end tests stand on: the server itself, upstreams, and clients that are not our own code."""
