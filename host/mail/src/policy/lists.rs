//! `[lists]`: large sets that the host holds for a filter.

use std::path::{Path, PathBuf};

use lazaret_config::{ConfigError, Source, Spanned, Table};
use serde::Deserialize;

/// Lists of one filter.
const LISTS: usize = 64;

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// `exact`: compared as a whole, in any case
    Exact,
    /// `domains`: a domain holds all below it
    Domains,
    /// `networks`: CIDR
    Networks,
}

/// One line of `[lists]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDefinition {
    /// the filter's name for it
    pub name: String,
    /// what it holds
    pub kind: ListKind,
    /// the file, one entry a line; not read here
    pub file: PathBuf,
}

/// `{ exact = "file" }`, `{ domains = "file" }` or `{ networks = "file" }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Written {
    Exact(PathBuf),
    Domains(PathBuf),
    Networks(PathBuf),
}

/// Reads the table; files are relative to its own. They are not read here, and not watched as the filter's other files
/// are: the host does so by itself, and a change of them is no change of the filter.
pub(super) fn read(
    source: &Source,
    table: Spanned<Table>,
) -> Result<Vec<ListDefinition>, ConfigError> {
    let span = table.span();
    if table.get_ref().len() > LISTS {
        let error = source.error(span, format!("[lists] names more than {LISTS} lists"));
        return Err(error.cure("give the filter fewer lists, or more filters a part of them"));
    }
    let no_list = |name: &str| {
        let cure = format!("write e.g. {name} = {{ domains = \"file\" }}; or exact, or networks");
        let problem = format!("[lists] `{name}` is no list");
        source.error_at(&["lists", name], problem).cure(cure)
    };
    let lists = table.into_inner().into_iter().map(|(name, value)| {
        let written = value.try_into::<Written>();
        let written = written.map_err(|_| no_list(&name))?;
        Ok(definition(name, written, source.directory()))
    });
    lists.collect()
}

fn definition(name: String, written: Written, base: &Path) -> ListDefinition {
    let (kind, file) = match written {
        Written::Exact(file) => (ListKind::Exact, file),
        Written::Domains(file) => (ListKind::Domains, file),
        Written::Networks(file) => (ListKind::Networks, file),
    };
    ListDefinition {
        name,
        kind,
        file: base.join(file),
    }
}
