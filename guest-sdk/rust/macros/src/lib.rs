//! The attribute `#[filter]` of the crate `lazaret-filter`; see there.

mod check;
mod export;
mod stages;

use proc_macro::TokenStream;
use syn::ItemImpl;

/// Exports exactly the stages whose methods are written in the `impl Filter for …` below, and `configure`.
///
/// `type Config` and `fn configure` may be left out by a filter without settings whose type is `Default`.
#[proc_macro_attribute]
pub fn filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = match syn::parse::<ItemImpl>(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error().into(),
    };
    let checked = check::no_arguments(arguments.into()).and_then(|()| check::stages(&item));
    match checked {
        Ok(stages) => export::expand(item, &stages).into(),
        Err(error) => export::with_error(item, &error).into(),
    }
}
