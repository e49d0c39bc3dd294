-- The step login that a granted role's steps run through. The password is readable by df_owner's
-- functions alone; the server holds only its SCRAM verifier.
create table df.granted_roles (
    role_oid     oid primary key,
    login        name not null unique,
    password     text not null,
    granted_at   timestamptz not null default now()
);

-- Who granted the use of df to whom: df_owner's own oid for whoever acts as it. The privileges
-- themselves are all granted by df_owner, so that DROP OWNED takes them back whoever asked for them; what
-- a role may do is said by them and nowhere else.
create table df.usage_granted (
    role_oid    oid not null,
    granter_oid oid not null,
    http        boolean not null,
    with_grant  boolean not null,
    primary key (role_oid, granter_oid)
);

-- One variable of one role; captured at df.start. Roles hold no DELETE, which would let them lock the
-- table: setting the value to null removes the row, through a trigger.
create table df.vars (
    name  text not null,
    value text,
    owner regrole not null default quote_ident(current_user)::regrole,
    primary key (owner, name),
    constraint vars_name_size check (octet_length(name) between 1 and 1024),
    constraint vars_value_size check (octet_length(value) <= 1048576)
);
