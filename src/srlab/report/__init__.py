"""What people read at the end: tables and figures."""
