//! Bounds that Fn does not have: without them one tenant's definitions could fill every node's memory, or be told to
//! nobody. Far above what anyone uses.

use super::groups;
use crate::group::{GROUP_KEY, MAX_GROUP_BYTES};
use crate::{Config, Fault};

/// All keys and values of one config together, as they are written in answers. A config becomes a container's environment, which kernels bound too.
pub const MAX_CONFIG_BYTES: usize = 128 * 1024;
/// An image's name.
pub const MAX_IMAGE_BYTES: usize = 1024;
/// A trigger's source.
pub const MAX_SOURCE_BYTES: usize = 2048;

/// How many bytes a text takes in answers, where some characters are written as six (`\u003c`).
fn written(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '<' | '>' | '&') || c.is_control() { 6 } else { c.len_utf8() }).sum()
}

/// A config that can be a container's environment, of a group that can be named between nodes.
pub(super) fn config(config: &Config) -> Result<(), Fault> {
    let size: usize = config.iter().map(|(key, value)| written(key) + written(value)).sum();
    if size > MAX_CONFIG_BYTES {
        return Err(Fault::invalid(format!("config must be {MAX_CONFIG_BYTES} bytes or less in all")));
    }
    let unusable =
        |key: &str, value: &str| key.is_empty() || key.contains(['=', '\0']) || value.contains('\0');
    if let Some((key, _)) = config.iter().find(|(key, value)| unusable(key, value)) {
        return Err(Fault::invalid(format!(
            "config key {key:?} cannot be an environment variable: keys must not be empty or contain '=', and neither \
             keys nor values may contain a zero byte"
        )));
    }
    match groups::named(config) {
        Some(group) => groups::check_name(group).map_err(|_| {
            Fault::invalid(format!(
                "{GROUP_KEY} must name an LB group: {MAX_GROUP_BYTES} bytes or less, without control characters"
            ))
        }),
        None => Ok(()),
    }
}

pub(super) fn image(image: &str) -> Result<(), Fault> {
    if image.len() > MAX_IMAGE_BYTES {
        return Err(Fault::invalid(format!("image must be {MAX_IMAGE_BYTES} bytes or less")));
    }
    no_zero_byte("image", image)
}

pub(super) fn source(source: &str) -> Result<(), Fault> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(Fault::invalid(format!("source must be {MAX_SOURCE_BYTES} bytes or less")));
    }
    no_zero_byte("source", source)
}

/// Databases cannot keep zero bytes, and keys over parts of a container end each part with one.
fn no_zero_byte(field: &str, text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::invalid(format!("{field} must not contain a zero byte")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, value: &str) -> Config {
        Config::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_config_that_no_container_or_group_could_have_is_refused() {
        assert!(config(&of("A", "1")).is_ok());
        assert!(config(&of(GROUP_KEY, &"g".repeat(MAX_GROUP_BYTES))).is_ok());
        let wrong = [
            of(GROUP_KEY, &"g".repeat(MAX_GROUP_BYTES + 1)),
            of(GROUP_KEY, "blue\nERROR forged"),
            of("A", &"<".repeat(MAX_CONFIG_BYTES / 6 + 1)),
            of("A", &"x".repeat(MAX_CONFIG_BYTES)),
            of("", "x"),
            of("A=B", "x"),
            of("A", "x\0y"),
        ];
        for config_of_one in wrong {
            assert!(config(&config_of_one).is_err());
        }
    }

    #[test]
    fn no_image_and_no_source_has_a_zero_byte_or_is_too_long() {
        assert!(image("x/y:1").is_ok() && source("/a").is_ok());
        assert_eq!(image("a\0").unwrap_err().message, "image must not contain a zero byte");
        assert_eq!(source("/a\0").unwrap_err().message, "source must not contain a zero byte");
        assert!(image(&"x".repeat(MAX_IMAGE_BYTES + 1)).is_err());
        assert!(source(&"x".repeat(MAX_SOURCE_BYTES + 1)).is_err());
    }
}
