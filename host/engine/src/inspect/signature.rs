//! Do the functions of a component have the types of the contract?

use lazaret_mail::LoadError;
use wasmparser::Validator;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentEntityType, ComponentType, SubtypeCx,
};
use wasmparser::types::{Types, TypesRef};

use super::faults::{self, fault};
use super::features::ALLOWED;
use super::surface::Surface;
use crate::bindings::COMPONENT_TYPE;
use crate::contract::{Name, PACKAGE, our_version};
use crate::text::{clip, printable};

/// How the encoded contract calls its world.
const CONTRACT_WORLD: &str = "everything";

/// A component and the contract, validated side by side.
pub struct Checked {
    contract: Types,
    component: Types,
}

/// Validates a component under our rules.
pub fn validate(wasm: &[u8]) -> Result<Checked, LoadError> {
    let mut validator = Validator::new_with_features(ALLOWED);
    let contract = validator
        .validate_all(COMPONENT_TYPE)
        .expect("the contract's own type is valid");
    validator.reset();
    let component = validator
        .validate_all(wasm)
        .map_err(|_| faults::invalid(wasm))?;
    Ok(Checked {
        contract,
        component,
    })
}

impl Checked {
    /// Every function of ours that the component imports or exports must fit the contract.
    pub fn refuse_other_signatures(&self, surface: &Surface) -> Result<(), LoadError> {
        let component = self.component.as_ref();
        for name in surface.imports.iter().filter(is_checked) {
            let wanted = component
                .component_item_for_import(name)
                .map(|item| item.ty);
            self.check(name, Side::Import, wanted)?;
        }
        for name in surface.exports.iter().filter(is_checked) {
            let given = component
                .component_item_for_export(name)
                .map(|item| item.ty);
            self.check(name, Side::Export, given)?;
        }
        Ok(())
    }

    fn check(
        &self,
        name: &str,
        side: Side,
        theirs: Option<ComponentEntityType>,
    ) -> Result<(), LoadError> {
        let ours = self.contract_item(name, side);
        let (Some(theirs), Some(ours)) = (theirs, ours) else {
            return Err(faults::unknown_import(name));
        };
        let (contract, component) = (self.contract.as_ref(), self.component.as_ref());
        let fits = match side {
            Side::Import => subtype((ours, contract), (theirs, component)),
            Side::Export => subtype((theirs, component), (ours, contract)),
        };
        fits.map_err(|why| other_signature(name, &why))
    }

    /// The contract's type of that name, whatever its patch version.
    fn contract_item(&self, name: &str, side: Side) -> Option<ComponentEntityType> {
        let wanted = Name::parse(name);
        let world = contract_world(self.contract.as_ref())?;
        let items = match side {
            Side::Import => &world.imports,
            Side::Export => &world.exports,
        };
        let same = |other: &str| {
            let other = Name::parse(other);
            (other.package, other.interface) == (wanted.package, wanted.interface)
        };
        let found = items.iter().find(|(other, _)| same(other));
        found.map(|(_, item)| item.ty)
    }
}

/// Which way the values go.
#[derive(Clone, Copy)]
enum Side {
    Import,
    Export,
}

/// Ours, or the plain function `configure`.
fn is_checked(name: &&String) -> bool {
    let parsed = Name::parse(name);
    parsed.is_ours() && is_known(&parsed) || name.as_str() == "configure"
}

/// Extra exports of our package under unknown names are ignored, like other extras.
fn is_known(name: &Name<'_>) -> bool {
    use crate::contract::{Permission, interface_stage};
    interface_stage(name.interface).is_some()
        || Permission::named(name.interface).is_some()
        || name.interface == "types"
}

fn subtype(
    (a, at): (ComponentEntityType, TypesRef<'_>),
    (b, bt): (ComponentEntityType, TypesRef<'_>),
) -> Result<(), String> {
    SubtypeCx::new_with_refs(at, bt)
        .component_entity_type(&a, &b, 0)
        .map_err(|error| error.message().to_owned())
}

/// The world inside the encoded contract: a type that is a component which exports the world as a component.
fn contract_world(contract: TypesRef<'_>) -> Option<&ComponentType> {
    let item = contract.component_item_for_export(CONTRACT_WORLD)?;
    let ComponentEntityType::Type { referenced, .. } = item.ty else {
        return None;
    };
    let ComponentAnyTypeId::Component(outer) = referenced else {
        return None;
    };
    let (_, inner) = contract.get(outer)?.exports.iter().next()?;
    match inner.ty {
        ComponentEntityType::Component(world) => contract.get(world),
        _ => None,
    }
}

fn other_signature(name: &str, why: &str) -> LoadError {
    let shown = printable(clip(name, 120));
    fault(
        format!(
            "the types of `{shown}` are not those of {PACKAGE}@{} ({})",
            our_version(),
            printable(clip(why, 300))
        ),
        format!(
            "rebuild it with bindings made from wit/ of {PACKAGE}@{}",
            our_version()
        ),
    )
}
