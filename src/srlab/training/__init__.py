"""Lightning modules, what feeds and watches them, and the resumable fit."""
