"""Where two executions part, and what is left behind to see it again."""
