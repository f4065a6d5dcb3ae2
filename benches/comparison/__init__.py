"""The proxy beside its peers: what `benches/compare` is made of."""
