//! Which names are allowed.

/// Names of apps and triggers: letters, numbers, `_` and `-`.
pub(super) fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// Names of functions: text that stays as it is when escaped as one segment of a URL's path.
pub(super) fn is_path_segment(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~$&+:=@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_have_letters_and_numbers_of_any_script() {
        for good in ["app", "A-1_b", "größe", "店", "٣"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["a b", "a.b", "a/b", "a\n", "a%"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn function_names_need_no_escaping_in_a_path() {
        for good in ["f", "a.b~c", "x@y:1", "$&+="] {
            assert!(is_path_segment(good), "{good}");
        }
        for bad in ["a/b", "a b", "é", "a,b", "a;b", "a?b", "a%20", "a#b", "a*", "(a)"] {
            assert!(!is_path_segment(bad), "{bad}");
        }
    }
}
