//! Reads a shared library's tables without running it.

use object::Endianness;
use object::elf::{
    self, ELFCLASS32, ELFCLASS64, ELFDATA2LSB, ELFDATA2MSB, ELFMAG, ET_DYN, FileHeader64, SHT_DYNSYM,
    SHT_NOBITS,
};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};
use remuda_plugin_api::abi::MANIFEST_SYMBOL;
use remuda_plugin_api::manifest::{MANIFEST_LIMIT, Manifest};

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    NotALibrary(String),
    Incomplete(String),
    WrongMachine { theirs: String, ours: &'static str },
    GoPlugin,
    NotAPlugin { missing: &'static str },
    BadManifest(String),
}

/// Reads the manifest of a library, having seen that this process could load it as a plugin: nothing is cut off, it is
/// for this processor, and it exports what a plugin must.
pub(crate) fn manifest(bytes: &[u8]) -> Result<Manifest, Problem> {
    check_ident(bytes)?;
    let damaged = |error: object::Error| Problem::Incomplete(error.to_string());
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    check_machine(header, endian)?;
    check_segments(header, endian, bytes)?;
    let sections = header.sections(endian, bytes).map_err(damaged)?;
    check_sections(&sections, endian, bytes)?;
    read_symbols(header, endian, &sections, bytes)
}

/// The first sixteen bytes: what kind of file it is at all.
fn check_ident(bytes: &[u8]) -> Result<(), Problem> {
    const IDENT_LENGTH: usize = 16;
    if bytes.is_empty() {
        return Err(Problem::NotALibrary("it is empty".to_owned()));
    }
    if !bytes.starts_with(&ELFMAG) {
        return Err(Problem::NotALibrary("it is not an ELF file".to_owned()));
    }
    let Some([class, data]) = bytes.get(4..6) else {
        return Err(Problem::Incomplete("its header is cut off".to_owned()));
    };
    if bytes.len() < IDENT_LENGTH {
        return Err(Problem::Incomplete("its header is cut off".to_owned()));
    }
    let width = if *class == ELFCLASS64.0 {
        64
    } else if *class == ELFCLASS32.0 {
        32
    } else {
        return Err(Problem::NotALibrary("its ELF header is unknown".to_owned()));
    };
    let order = if cfg!(target_endian = "little") { ELFDATA2LSB } else { ELFDATA2MSB };
    if width != usize::BITS || *data != order.0 {
        let theirs = format!("a {width}-bit processor of another kind");
        return Err(Problem::WrongMachine { theirs, ours: std::env::consts::ARCH });
    }
    Ok(())
}

fn check_machine(header: &FileHeader64<Endianness>, endian: Endianness) -> Result<(), Problem> {
    let ours = if cfg!(target_arch = "aarch64") {
        elf::EM_AARCH64
    } else if cfg!(target_arch = "riscv64") {
        elf::EM_RISCV
    } else {
        elf::EM_X86_64
    };
    let theirs = header.e_machine(endian);
    if theirs != ours {
        let theirs = match theirs {
            elf::EM_X86_64 => "x86_64".to_owned(),
            elf::EM_AARCH64 => "aarch64".to_owned(),
            elf::EM_RISCV => "riscv64".to_owned(),
            other => format!("another processor (ELF machine {})", other.0),
        };
        return Err(Problem::WrongMachine { theirs, ours: std::env::consts::ARCH });
    }
    if header.e_type(endian) != ET_DYN {
        return Err(Problem::NotALibrary("it is an ELF file of another type".to_owned()));
    }
    Ok(())
}

fn inside(bytes: &[u8], offset: u64, size: u64) -> bool {
    offset.checked_add(size).is_some_and(|end| end <= bytes.len() as u64)
}

/// A segment beyond the end of the file would be a SIGBUS at its first touch.
fn check_segments(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    bytes: &[u8],
) -> Result<(), Problem> {
    let segments = header
        .program_headers(endian, bytes)
        .map_err(|_| Problem::Incomplete("its segment table is cut off".to_owned()))?;
    let cut =
        segments.iter().any(|segment| !inside(bytes, segment.p_offset(endian), segment.p_filesz(endian)));
    if cut { Err(Problem::Incomplete("a segment ends beyond the file".to_owned())) } else { Ok(()) }
}

fn check_sections(
    sections: &SectionTable<'_, FileHeader64<Endianness>>,
    endian: Endianness,
    bytes: &[u8],
) -> Result<(), Problem> {
    if sections.is_empty() {
        return Err(Problem::Incomplete("it has no section table".to_owned()));
    }
    let cut = sections.iter().any(|section| {
        section.sh_type(endian) != SHT_NOBITS
            && !inside(bytes, section.sh_offset(endian), section.sh_size(endian))
    });
    if cut { Err(Problem::Incomplete("a section ends beyond the file".to_owned())) } else { Ok(()) }
}

fn read_symbols(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    sections: &SectionTable<'_, FileHeader64<Endianness>>,
    bytes: &[u8],
) -> Result<Manifest, Problem> {
    let loader_symbol = abi_stable::library::ROOT_MODULE_LOADER_NAME;
    let damaged = |error: object::Error| Problem::Incomplete(error.to_string());
    let symbols = sections.symbols(endian, bytes, SHT_DYNSYM).map_err(damaged)?;
    let (mut manifest, mut loader, mut go) = (None, false, has_go_sections(sections, endian));
    for symbol in symbols.iter().filter(|symbol| !symbol.is_undefined(endian)) {
        let name = symbol.name(endian, symbols.strings()).map_err(damaged)?;
        loader |= name == loader_symbol.as_bytes();
        go |= is_go_symbol(name);
        if name == MANIFEST_SYMBOL.as_bytes() {
            manifest = Some((symbol.st_value(endian), symbol.st_size(endian)));
        }
    }
    // A Rust plugin may carry Go code inside; a Go plugin has no manifest of ours.
    let Some((address, size)) = manifest else {
        return Err(if go { Problem::GoPlugin } else { Problem::NotAPlugin { missing: MANIFEST_SYMBOL } });
    };
    if !loader {
        return Err(Problem::NotAPlugin { missing: loader_symbol });
    }
    let json = at_address(header, endian, bytes, address, size)
        .ok_or_else(|| Problem::BadManifest("it lies outside the file".to_owned()))?;
    if json.len() > MANIFEST_LIMIT {
        return Err(Problem::BadManifest(format!("it is longer than {MANIFEST_LIMIT} bytes")));
    }
    Manifest::parse(json).map_err(Problem::BadManifest)
}

/// The bytes that will be at an address once the library is loaded.
fn at_address<'data>(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    bytes: &'data [u8],
    address: u64,
    size: u64,
) -> Option<&'data [u8]> {
    let segments = header.program_headers(endian, bytes).ok()?;
    segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .find_map(|segment| segment.data_range(endian, bytes, address, size).ok().flatten())
}

fn has_go_sections(sections: &SectionTable<'_, FileHeader64<Endianness>>, endian: Endianness) -> bool {
    const GO_SECTIONS: [&[u8]; 3] = [b".go.buildinfo", b".gopclntab", b".note.go.buildid"];
    sections
        .iter()
        .any(|section| sections.section_name(endian, section).is_ok_and(|name| GO_SECTIONS.contains(&name)))
}

fn is_go_symbol(name: &[u8]) -> bool {
    const GO_SYMBOLS: [&[u8]; 4] = [b"go.link.", b"go:link.", b"go.plugin.", b"go:plugin."];
    name == b"runtime.buildVersion"
        || name == b"local.plugintab"
        || GO_SYMBOLS.iter().any(|prefix| name.starts_with(prefix))
}
