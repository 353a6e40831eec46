//! What a plugin says about itself without being run: JSON in an exported array of bytes, written at compile time and
//! read by hosts and tools.

use crate::Variable;
use crate::abi::API_VERSION;
use serde::{Deserialize, Serialize};

/// The kind of a plugin that is a control plane.
pub const KIND_CONTROL_PLANE: &str = "control_plane";

/// The longest manifest that hosts read, in bytes.
pub const MANIFEST_LIMIT: usize = 64 * 1024;

/// A manifest as it is read. Fields that this version does not know are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The plugin's name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// What it can be used as, such as [`KIND_CONTROL_PLANE`].
    pub kinds: Vec<String>,
    /// The version of remuda-plugin-api that it was built with.
    pub api: String,
    /// The variables that it reads.
    #[serde(default)]
    pub variables: Vec<DeclaredVariable>,
}

/// A [`Variable`] as it is read from a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredVariable {
    /// Its name.
    pub name: String,
    /// One sentence: what it holds.
    #[serde(default)]
    pub doc: String,
    /// What it holds when it is left out.
    #[serde(default)]
    pub default: Option<String>,
    /// A value to show.
    #[serde(default)]
    pub example: Option<String>,
    /// The plugin cannot start without it.
    #[serde(default)]
    pub required: bool,
    /// Its value is never printed.
    #[serde(default)]
    pub secret: bool,
}

impl Manifest {
    /// Reads a manifest; the error says what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }
}

/// What the export line knows about its plugin.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The plugin's name.
    pub name: &'static str,
    /// The version of the plugin's package.
    pub version: &'static str,
    /// The variables that it declares.
    pub variables: &'static [Variable],
}

impl Identity {
    /// The length of [`Identity::json`], in bytes.
    pub const fn json_length(&self) -> usize {
        self.write(Json::<0>::new()).length
    }
    /// The manifest. `N` is [`Identity::json_length`].
    pub const fn json<const N: usize>(&self) -> [u8; N] {
        self.write(Json::<N>::new()).bytes
    }
    const fn write<const N: usize>(&self, json: Json<N>) -> Json<N> {
        let mut json = json.raw("{\"format\":1,\"name\":").text(self.name);
        json = json.raw(",\"version\":").text(self.version);
        json = json.raw(",\"kinds\":[\"").raw(KIND_CONTROL_PLANE).raw("\"],\"api\":").text(API_VERSION);
        json = json.raw(",\"variables\":[");
        let mut at = 0;
        while at < self.variables.len() {
            if at > 0 {
                json = json.raw(",");
            }
            json = json.variable(&self.variables[at]);
            at += 1;
        }
        json.raw("]}")
    }
}

/// Writes JSON at compile time. Beyond `N` bytes it only counts.
struct Json<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Json<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
    const fn byte(mut self, byte: u8) -> Self {
        if self.length < N {
            self.bytes[self.length] = byte;
        }
        self.length += 1;
        self
    }
    const fn raw(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            self = self.byte(bytes[at]);
            at += 1;
        }
        self
    }
    const fn text(self, text: &str) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut json = self.byte(b'"');
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            json = match byte {
                b'"' | b'\\' => json.byte(b'\\').byte(byte),
                0..0x20 => {
                    let (high, low) = (HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]);
                    json.raw("\\u00").byte(high).byte(low)
                }
                _ => json.byte(byte),
            };
            at += 1;
        }
        json.byte(b'"')
    }
    const fn optional(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }
    const fn boolean(self, value: bool) -> Self {
        self.raw(if value { "true" } else { "false" })
    }
    const fn variable(self, variable: &Variable) -> Self {
        let mut json = self.raw("{\"name\":").text(variable.name).raw(",\"doc\":").text(variable.doc);
        json = json.raw(",\"default\":").optional(variable.default);
        json = json.raw(",\"example\":").optional(variable.example);
        json = json.raw(",\"required\":").boolean(variable.required);
        json.raw(",\"secret\":").boolean(variable.secret).raw("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity {
        name: "a \"quoted\" näme",
        version: "1.2.3",
        variables: &[
            Variable::required("ONE", "first\nline\\").example("x"),
            Variable::optional("TWO", "a password").default("7").secret(),
        ],
    };
    static JSON: [u8; IDENTITY.json_length()] = IDENTITY.json();

    #[test]
    fn a_manifest_written_at_compile_time_reads_back_as_declared() {
        let manifest = Manifest::parse(&JSON).unwrap();
        assert_eq!(manifest.name, "a \"quoted\" näme");
        assert_eq!((manifest.version.as_str(), manifest.api.as_str()), ("1.2.3", API_VERSION));
        assert_eq!(manifest.kinds, [KIND_CONTROL_PLANE]);
        let [one, two] = &manifest.variables[..] else { panic!("{manifest:?}") };
        assert_eq!((one.name.as_str(), one.doc.as_str(), one.required), ("ONE", "first\nline\\", true));
        assert_eq!((one.example.as_deref(), one.default.as_deref()), (Some("x"), None));
        assert_eq!((two.default.as_deref(), two.required, two.secret), (Some("7"), false, true));
    }

    #[test]
    fn a_manifest_with_fields_of_a_later_version_is_read() {
        let json = br#"{"name":"n","version":"1","kinds":["x"],"api":"1.4.0","later":{"a":1}}"#;
        assert_eq!(Manifest::parse(json).unwrap().api, "1.4.0");
        assert!(Manifest::parse(b"{").is_err());
    }
}
