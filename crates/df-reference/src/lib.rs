//! A reference interpreter of workflows, for tests.
