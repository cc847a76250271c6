"""The control process: store, admin API, web pages, block page, statistics and query log. DNS does not depend on it."""
