"""Pages: rendered by the server and complete without JavaScript, which only saves clicks."""
