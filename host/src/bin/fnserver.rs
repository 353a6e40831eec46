//! An API node, a load balancer, a pure runner or all in one, as `FN_NODE_TYPE` says.

fn main() -> std::process::ExitCode {
    remuda::daemon::fnserver()
}
