//! The types that need no lookup: their oids are fixed in pg_type.dat for all supported versions.

use super::shape::Shape;
use std::sync::Arc;

/// The shape of a well-known type of pg_catalog.
pub(super) fn shape(oid: u32) -> Option<Shape> {
    if let Some(shape) = scalar(oid) {
        return Some(shape);
    }
    let element = array_element(oid)?;
    // Only box separates its elements with a semicolon.
    let delimiter = if oid == BOX_ARRAY { b';' } else { b',' };
    Some(Shape::Array {
        element: Arc::new(element),
        delimiter,
    })
}

const BOX_ARRAY: u32 = 1020;

fn scalar(oid: u32) -> Option<Shape> {
    Some(match oid {
        16 => Shape::Bool,
        20 | 21 | 23 => Shape::Integer,
        700 | 701 => Shape::Float,
        114 | 3802 => Shape::Json,
        1114 => Shape::Timestamp,
        1184 => Shape::TimestampTz,
        2278 => Shape::Nothing,
        2249 => Shape::Record,
        // bytea, "char", name, regproc, text, oid, tid, xid, cid, oidvector, int2vector
        17 | 18 | 19 | 22 | 24 | 25 | 26 | 27 | 28 | 29 | 30 => Shape::Text,
        // xml, point, lseg, path, box, polygon, line, cidr, unknown, circle, macaddr8, money,
        // macaddr
        142 | 600..=604 | 628 | 650 | 705 | 718 | 774 | 790 | 829 => Shape::Text,
        // inet, aclitem, bpchar, varchar, date, time, interval, timetz, bit, varbit, numeric
        869 | 1033 | 1042 | 1043 | 1082 | 1083 | 1186 | 1266 | 1560 | 1562 | 1700 => Shape::Text,
        // refcursor, regprocedure, regoper, regoperator, regclass, regtype, cstring, uuid
        1790 | 2202..=2206 | 2275 | 2950 => Shape::Text,
        // txid_snapshot, pg_lsn, tsvector, gtsvector, tsquery, regconfig, regdictionary
        2970 | 3220 | 3614 | 3642 | 3615 | 3734 | 3769 => Shape::Text,
        // the ranges, jsonpath, regnamespace, regrole, regcollation, the multiranges, xid8,
        // pg_snapshot
        3904
        | 3906
        | 3908
        | 3910
        | 3912
        | 3926
        | 4072
        | 4089
        | 4096
        | 4191
        | 4451
        | 4532..=4536
        | 5069
        | 5038 => Shape::Text,
        _ => return None,
    })
}

fn array_element(oid: u32) -> Option<Shape> {
    let element = match oid {
        1000 => 16,
        1001 => 17,
        1002 => 18,
        1003 => 19,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        BOX_ARRAY => 603,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1041 => 869,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1187 => 1186,
        1231 => 1700,
        1270 => 1266,
        199 => 114,
        2287 => 2249,
        2951 => 2950,
        3807 => 3802,
        _ => return None,
    };
    scalar(element)
}
