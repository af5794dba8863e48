"""What several test files share: servers, processes, proxies, recorders.  No tests."""
