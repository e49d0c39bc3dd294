-- One granted role and the step login that its steps run through. The password is readable by
-- df_owner's functions alone; the server holds only its SCRAM verifier. What the role may do is said
-- by its grants and nowhere else.
create table df.granted_roles (
    role_oid     oid primary key,
    login        name not null unique,
    password     text not null,
    granted_by   regrole not null,
    granted_at   timestamptz not null default now()
);

-- One variable of one role; captured at df.start. Roles hold no DELETE, which would let them lock the
-- table: setting the value to null removes the row, through a trigger.
create table df.vars (
    owner regrole not null default quote_ident(current_user)::regrole,
    name  text not null,
    value text,
    primary key (owner, name),
    constraint vars_name_size check (octet_length(name) between 1 and 1024),
    constraint vars_value_size check (octet_length(value) <= 1048576)
);
