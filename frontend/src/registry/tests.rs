use super::*;
use rustorch_ir::DType;

fn parsed(schema: &'static str) -> Signature {
    Signature::parse(schema).unwrap()
}

#[test]
fn every_entry_parses_and_documents_itself() {
    for entry in crate::ops::all() {
        let signature = Signature::parse(entry.schema).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(signature.name, entry.name());
        assert!(!entry.doc.is_empty(), "{} has no documentation", entry.schema);
        assert!(entry.kind & 0b1111 != 0, "{} appears nowhere", entry.schema);
        if entry.kind & (kinds::METHOD | kinds::INPLACE) != 0 {
            assert!(signature.receiver.is_some(), "{} is a method without self", entry.schema);
        }
    }
}

#[test]
fn operations_are_found_by_name() {
    for kind in [kinds::FUNCTION, kinds::METHOD, kinds::NN, kinds::LINALG] {
        for op in operations(kind) {
            assert!(std::ptr::eq(operation(kind, op.name).unwrap(), op));
            assert!(!op.overloads().is_empty());
        }
    }
}

#[test]
fn schemas_are_atens() {
    let sum = parsed(
        "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    );
    assert_eq!((sum.name, sum.overload, sum.positional, sum.receiver), ("sum", "dim_IntList", 3, Some(0)));
    let dim = &sum.params[1];
    assert_eq!((dim.name, dim.ty, dim.optional, &dim.default), ("dim", Ty::Ints(Some(1)), true, &None));
    assert_eq!(sum.params[2].default, Some(Default::Bool(false)));
    assert!(sum.params[3].keyword_only);
    assert_eq!(
        sum.python_text(true),
        "(tuple of ints dim, bool keepdim = False, *, torch.dtype dtype = None)"
    );

    let max = parsed("max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)");
    assert_eq!(max.returns, Returns::Named(vec!["values", "indices"]));
    assert_eq!(
        parsed("split(Tensor(a) self, int split_size, int dim=0) -> Tensor(a)[]").returns,
        Returns::List
    );
    let add = parsed("add_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)");
    assert_eq!((add.name, add.params[0].ty, add.positional), ("add_", Ty::Tensor, 2));
    let put =
        parsed("index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor");
    assert_eq!(put.params[1].ty, Ty::OptTensors);
    let loss =
        parsed("mse_loss(Tensor self, Tensor target, str reduction=\"mean\", float eps=1e-05) -> Tensor");
    assert_eq!(loss.params[2].default, Some(Default::Str("mean")));
    assert_eq!(loss.params[3].default, Some(Default::Float(1e-5)));
    let dims = parsed("rot90(Tensor self, int k=1, int[] dims=[0,1]) -> Tensor");
    assert_eq!(dims.params[2].default, Some(Default::Ints(smallvec::smallvec![0, 1])));
    assert_eq!(parsed("where(Tensor condition, Tensor self, Tensor other) -> Tensor").receiver, Some(1));
}

#[test]
fn bad_schemas_say_so() {
    for schema in ["add", "add(Tensor self)", "add(Tensor self -> Tensor", "add(Tenor self) -> Tensor"] {
        assert!(Signature::parse(schema).unwrap_err().contains(schema));
    }
}

mod doubled {
    use crate::record::Recorded;
    use crate::tensor::Tensor;

    crate::entries! {
        "doubled(Tensor self, *, Scalar by=2) -> Tensor" [METHOD | INPLACE] alias ["twice"] grad "TwiceBackward0"
            "Twice the tensor." => |a| double(a);
        "doubled.sizes(int[] size) -> int" [FUNCTION] "The first size, twice." => |a| Ok(a.ints(0)[0] * 2);
    }

    fn double(a: &super::Args<'_>) -> crate::Result<Tensor> {
        let value = a.tensor(0).read()?;
        Tensor::from_value(Recorded::mul(&value, &a.scalar(1).recorded(value.dtype()).cast(value.dtype())?)?)
    }
}

#[test]
fn an_entry_is_called_in_both_forms() {
    let entry = &doubled::ENTRIES[0];
    assert_eq!(
        (entry.name(), entry.aliases, entry.grad),
        ("doubled", &["twice"][..], Some("TwiceBackward0"))
    );
    let tensor = Scalar::Float(1.5).tensor().unwrap();
    let values = [Arg::Tensor(&tensor), Arg::Scalar(Scalar::Int(2))];
    let args = Args::new(&values);
    let Ret::Tensor(result) = Overload::new(entry, false).call(&args).unwrap() else { panic!("no tensor") };
    assert!(!result.is_same(&tensor));
    let Ret::Tensor(result) = Overload::new(entry, true).call(&args).unwrap() else { panic!("no tensor") };
    assert!(result.is_same(&tensor) && tensor.version().unwrap() == 1);
    let number = doubled::ENTRIES[1].call;
    let values = [Arg::Ints(smallvec::smallvec![4])];
    assert!(matches!(number(&Args::new(&values)), Ok(Ret::Int(8))));
}

#[test]
fn results_do_not_fall_to_a_lower_category() {
    let float = Scalar::Float(1.0).tensor().unwrap();
    let int = Scalar::Int(1).tensor().unwrap();
    let error = call::write_result(&int, &float).unwrap_err();
    assert_eq!(error.to_string(), "result type Float can't be cast to the desired output type Long");
    call::write_result(&float, &int).unwrap();
    assert!(can_cast(DType::I64, DType::U8) && !can_cast(DType::I64, DType::Bool));
}

#[test]
fn numbers_in_the_place_of_tensors_are_weak_until_asked() {
    let values = [Arg::Number(Scalar::Float(2.5), std::cell::OnceCell::new())];
    let args = Args::new(&values);
    assert!(matches!(args.operand(0), Operand::Number(Scalar::Float(x)) if x == 2.5));
    assert_eq!(args.tensor(0).dtype(), DType::F32);
}
