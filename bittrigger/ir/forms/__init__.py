"""How nodes are built: tables, queues, and what takes its operand step by step, digit by digit or as it comes."""
