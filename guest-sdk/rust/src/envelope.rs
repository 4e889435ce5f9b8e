//! Permission `envelope`: from whom, to whom.

use crate::Address;
use crate::host::envelope as host;

/// The sender; none before MAIL.
pub fn sender() -> Option<Address> {
    host::sender()
}

/// Recipients accepted so far in this transaction, in order.
pub fn recipients() -> Vec<Address> {
    host::recipients()
}
