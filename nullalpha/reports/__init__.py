"""What people read of a campaign: an HTML report, a terminal leaderboard, live progress. Made from the contract alone; reads no store."""
