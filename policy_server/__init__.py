"""The policy's side: action chunks and everything that makes them."""
