"""The leaderboard: runs are submitted, measured again by the server, and looked at with their evidence."""
