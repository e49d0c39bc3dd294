//! The workflow model.
