"""The one place where reading, lowering, checking, solving and scheduling are put together."""
