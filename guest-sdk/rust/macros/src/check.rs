//! What may be wrong with an `impl Filter for …`, said where it is written.

use proc_macro2::TokenStream;
use syn::{Error, FnArg, ImplItem, ImplItemFn, ItemImpl, ReturnType};

use crate::stages::{CONFIGURE, STAGES, Stage};

/// `#[filter]` takes none.
pub fn no_arguments(arguments: TokenStream) -> Result<(), Error> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(
        arguments,
        "#[filter] takes no arguments: the stages are the methods that are written",
    ))
}

/// The stages that are written, in the order of a session; every mistake at once.
pub fn stages(item: &ItemImpl) -> Result<Vec<&'static Stage>, Error> {
    let mut mistakes: Vec<Error> = shape(item).err().into_iter().collect();
    let mut written = Vec::new();
    for method in methods(item) {
        match stage(method) {
            Ok(stage) => written.extend(stage),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() && written.is_empty() {
        mistakes.push(no_stage(item));
    }
    match mistakes.into_iter().reduce(joined) {
        Some(mistakes) => Err(mistakes),
        None => Ok(STAGES.iter().filter(|s| is_in(&written, s)).collect()),
    }
}

/// The methods of the `impl`.
pub fn methods(item: &ItemImpl) -> impl Iterator<Item = &ImplItemFn> {
    item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    })
}

fn is_in(written: &[&Stage], stage: &Stage) -> bool {
    written.iter().any(|s| s.method == stage.method)
}

fn joined(mut all: Error, one: Error) -> Error {
    all.combine(one);
    all
}

fn shape(item: &ItemImpl) -> Result<(), Error> {
    let is_filter = item
        .trait_
        .as_ref()
        .and_then(|(_, path, _)| path.segments.last())
        .is_some_and(|segment| segment.ident == "Filter");
    if !is_filter {
        return Err(Error::new_spanned(
            &item.self_ty,
            "#[filter] goes on `impl Filter for YourType`",
        ));
    }
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &item.generics,
            "a component holds one filter: its type cannot have parameters",
        ));
    }
    Ok(())
}

fn no_stage(item: &ItemImpl) -> Error {
    let names: Vec<_> = STAGES.iter().map(|stage| stage.method).collect();
    Error::new_spanned(
        &item.self_ty,
        format!(
            "this filter would never be asked: write at least one stage ({})",
            names.join(", ")
        ),
    )
}

/// `None` for `configure`.
fn stage(method: &ImplItemFn) -> Result<Option<&'static Stage>, Error> {
    let name = method.sig.ident.to_string();
    if name == CONFIGURE {
        return Ok(None);
    }
    let Some(stage) = Stage::find(&name) else {
        return Err(Error::new_spanned(&method.sig.ident, unknown(&name)));
    };
    if fits(method, stage) {
        return Ok(Some(stage));
    }
    Err(Error::new_spanned(
        &method.sig,
        format!("write this stage as `{}`", stage.signature()),
    ))
}

fn unknown(name: &str) -> String {
    let names = STAGES.iter().map(|stage| stage.method).chain([CONFIGURE]);
    let nearest = names
        .map(|known| {
            (
                strsim::damerau_levenshtein(known, name.trim_start_matches("on_")),
                known,
            )
        })
        .min();
    match nearest {
        Some((distance, known)) if distance <= 2 => {
            format!("a filter has no stage `{name}`, did you mean `{known}`?")
        }
        _ => format!(
            "a filter has no stage `{name}`; functions of your own go into a plain `impl` block"
        ),
    }
}

/// Receiver, number of arguments and return; their types are the compiler's to check against the trait.
fn fits(method: &ImplItemFn, stage: &Stage) -> bool {
    let mut inputs = method.sig.inputs.iter();
    let receiver = matches!(
        inputs.next(),
        Some(FnArg::Receiver(r)) if r.reference.is_some() && r.mutability.is_some()
    );
    let returns = matches!(method.sig.output, ReturnType::Type(..));
    receiver
        && inputs.count() == stage.arguments.len()
        && returns == stage.judges
        && method.sig.asyncness.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let item = syn::parse_str(text).unwrap();
        let found = stages(&item).map(|_| ()).unwrap_err();
        found
            .into_iter()
            .map(|mistake| mistake.to_string())
            .collect()
    }

    #[test]
    fn finds_the_stages_in_the_order_of_a_session() {
        let item = syn::parse_str(
            "impl lf::Filter for X {
                fn rcpt(&mut self, who: &Address) -> Verdict { todo() }
                fn disconnect(&mut self, reason: &str) {}
                fn connect(&mut self) -> Verdict { todo() }
            }",
        )
        .unwrap();
        let found: Vec<_> = stages(&item).unwrap().iter().map(|s| s.method).collect();
        assert_eq!(found, ["connect", "rcpt", "disconnect"]);
    }

    #[test]
    fn names_the_nearest_stage() {
        assert_eq!(
            mistakes("impl Filter for X { fn on_mesage(&mut self) -> Verdict { v } }"),
            ["a filter has no stage `on_mesage`, did you mean `message`?"]
        );
        assert_eq!(
            mistakes("impl Filter for X { fn lookup(&mut self) {} }"),
            ["a filter has no stage `lookup`; functions of your own go into a plain `impl` block"]
        );
    }

    #[test]
    fn shows_how_a_stage_is_written() {
        let expected = ["write this stage as `fn mail(&mut self, sender: &Address) -> Verdict`"];
        for wrong in [
            "fn mail(&mut self) -> Verdict { v }",
            "fn mail(&self, sender: &Address) -> Verdict { v }",
            "fn mail(&mut self, sender: &Address) {}",
            "async fn mail(&mut self, sender: &Address) -> Verdict { v }",
        ] {
            assert_eq!(
                mistakes(&format!("impl Filter for X {{ {wrong} }}")),
                expected
            );
        }
        assert_eq!(
            mistakes("impl Filter for X { fn disconnect(&mut self) -> Verdict { v } }"),
            ["write this stage as `fn disconnect(&mut self, reason: &str)`"]
        );
    }

    #[test]
    fn refuses_other_shapes() {
        assert_eq!(
            mistakes("impl X {}")[0],
            "#[filter] goes on `impl Filter for YourType`"
        );
        assert_eq!(
            mistakes("impl<T> Filter for X<T> { fn connect(&mut self) -> Verdict { v } }"),
            ["a component holds one filter: its type cannot have parameters"]
        );
        assert!(mistakes("impl Filter for X {}")[0].contains("at least one stage (connect, hello"));
        assert!(no_arguments(quote::quote!(rcpt)).is_err());
    }
}
