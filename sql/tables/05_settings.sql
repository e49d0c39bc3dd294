-- One row per setting that an operator may change. `value` is NULL while the default holds.
-- Written by df.configure; read through df.setting().
create table df.setting_values (
    name          text primary key,
    value         text,
    default_value text not null,
    kind          text not null check (kind in ('boolean', 'integer', 'number', 'list')),
    meaning       text not null,
    -- The range of a number.
    least         numeric,
    most          numeric,
    constraint numbers_have_a_range
        check (kind not in ('integer', 'number') or (least is not null and most is not null and least <= most))
);
