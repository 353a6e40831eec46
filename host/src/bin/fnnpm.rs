//! The node pool manager: sizes each LB group's pool through the control-plane plugin that `CONTROL_PLANE_SO` names.

fn main() -> std::process::ExitCode {
    remuda::daemon::fnnpm()
}
