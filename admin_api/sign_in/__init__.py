"""Sign-in by OpenID Connect: the provider, its keys, and the persons that its tokens tell of."""
