//! What `#[filter]` writes: the `impl` as it was, completed, and the exports of a component.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ImplItem, ItemImpl, Type, parse_quote};

use crate::check::methods;
use crate::stages::{CONFIGURE, Lend, Stage};

/// The whole expansion.
pub fn expand(mut item: ItemImpl, stages: &[&Stage]) -> TokenStream {
    let configure = configure(&item);
    complete(&mut item);
    let this = &item.self_ty;
    let state = state(this);
    let exports = stages.iter().map(|stage| export(stage, this));
    quote! {
        #item

        #[cfg(target_family = "wasm")]
        const _: () = {
            use ::lazaret_filter::__private as private;

            struct Component;

            #state
            #configure
            #(#exports)*
        };
    }
}

/// The `impl` stays, so that one mistake does not cause others elsewhere.
pub fn with_error(mut item: ItemImpl, error: &Error) -> TokenStream {
    let error = error.to_compile_error();
    item.items.retain(|item| match item {
        ImplItem::Fn(f) => {
            f.sig.ident == CONFIGURE || Stage::find(&f.sig.ident.to_string()).is_some()
        }
        _ => true,
    });
    quote! { #error #item }
}

/// A filter without settings leaves these out.
fn complete(item: &mut ItemImpl) {
    if !has_config(item) {
        item.items.push(parse_quote! { type Config = (); });
    }
    if !has_configure(item) {
        let span = item.self_ty.span();
        let default = quote_spanned! { span => <Self as ::core::default::Default>::default() };
        item.items.push(parse_quote! {
            fn configure(_: Self::Config) -> ::core::result::Result<Self, ::std::string::String> {
                ::core::result::Result::Ok(#default)
            }
        });
    }
}

fn has_config(item: &ItemImpl) -> bool {
    item.items
        .iter()
        .any(|item| matches!(item, ImplItem::Type(t) if t.ident == "Config"))
}

fn has_configure(item: &ItemImpl) -> bool {
    methods(item).any(|method| method.sig.ident == CONFIGURE)
}

/// One filter a sandbox: set by `configure`, lent to every stage.
fn state(this: &Type) -> TokenStream {
    quote! {
        ::std::thread_local! {
            static FILTER: ::core::cell::RefCell<::core::option::Option<#this>> =
                const { ::core::cell::RefCell::new(::core::option::Option::None) };
        }

        fn ask<T>(stage: impl ::core::ops::FnOnce(&mut #this) -> T) -> T {
            FILTER.with_borrow_mut(|filter| {
                stage(filter.as_mut().expect("the host configures a filter before it asks"))
            })
        }
    }
}

/// Without settings nothing is read, and no JSON reader gets into the component.
fn configure(item: &ItemImpl) -> TokenStream {
    let this = &item.self_ty;
    let settings = if has_config(item) {
        quote! { private::read(&config)? }
    } else {
        quote! { private::no_settings(&config)? }
    };
    quote! {
        impl private::bindings::configure::Guest for Component {
            fn configure(
                config: ::std::string::String,
            ) -> ::core::result::Result<(), ::std::string::String> {
                let filter = <#this as ::lazaret_filter::Filter>::configure(#settings)?;
                FILTER.set(::core::option::Option::Some(filter));
                ::core::result::Result::Ok(())
            }
        }
        private::bindings::configure::export!(
            Component with_types_in private::bindings::configure
        );
    }
}

fn export(stage: &Stage, this: &Type) -> TokenStream {
    let method = format_ident!("{}", stage.method);
    let interface = format_ident!("on_{}", stage.method);
    let bindings = quote! { private::bindings::#method };
    let guest = quote! { #bindings::exports::lazaret::filter::#interface::Guest };
    let names: Vec<_> = stage
        .arguments
        .iter()
        .map(|a| format_ident!("{}", a.name))
        .collect();
    let types = stage.arguments.iter().map(|a| owned(a.written));
    let lent = stage
        .arguments
        .iter()
        .zip(&names)
        .map(|(a, name)| match a.lend {
            Lend::Reference => quote! { &#name },
            Lend::Inner => quote! { #name.as_deref() },
        });
    let returns = stage
        .judges
        .then(|| quote! { -> ::lazaret_filter::Verdict });
    quote! {
        impl #guest for Component {
            fn #method(#(#names: #types),*) #returns {
                ask(|filter| <#this as ::lazaret_filter::Filter>::#method(filter, #(#lent),*))
            }
        }
        #bindings::export!(Component with_types_in #bindings);
    }
}

/// What the bindings hand out for an argument.
fn owned(written: &str) -> TokenStream {
    match written {
        "&Address" => quote! { ::lazaret_filter::Address },
        "&TransactionResult" => quote! { ::lazaret_filter::TransactionResult },
        "Option<&str>" => quote! { ::core::option::Option<::std::string::String> },
        _ => quote! { ::std::string::String },
    }
}
