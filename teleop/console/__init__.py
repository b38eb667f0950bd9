"""The operator's page: pure code behind ``console_node``, and the page itself in ``page/``."""
