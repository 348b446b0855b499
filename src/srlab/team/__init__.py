"""What a team shares: see `docs/team.md`."""
