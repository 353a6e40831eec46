//! End-to-end tests: real daemons, a real Docker Engine.
