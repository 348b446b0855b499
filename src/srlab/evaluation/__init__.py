"""How a super-resolved image is scored: metrics per image, one protocol, a benchmark over test sets."""
