"""What the operator of a leaderboard types; one short file a command."""
