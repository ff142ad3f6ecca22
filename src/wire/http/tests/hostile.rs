//! Requests that are refused, and those near by that are not.
