use crate::error::Result;
use crate::record::Recorded;
use crate::storage::Storage;
use std::sync::Arc;
pub(crate) fn copy_now(value: &Recorded) -> Result<Recorded> {
    value.fence()
}
pub(crate) fn recorded(_: &Recorded) -> Result<()> {
    Ok(())
}
pub(crate) fn register(_: &Arc<Storage>) {}
pub(crate) fn write_through(_: &Recorded, _: &Recorded) -> Result<()> {
    Ok(())
}
