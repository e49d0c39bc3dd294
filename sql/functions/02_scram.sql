-- A SCRAM-SHA-256 verifier computed here, so that a step login's password is never part of a
-- statement that the server could log. RFC 5802 and RFC 7677. One iteration: more of them slow down
-- whoever guesses at a password that a person made up, and this one is 244 random bits, which nobody
-- guesses; each login of a step would pay for them.
create or replace function df.hmac_sha256(p_key bytea, p_message bytea) returns bytea
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_key  bytea := case when octet_length(p_key) > 64 then sha256(p_key) else p_key end;
    v_ipad bytea := decode(repeat('36', 64), 'hex');
    v_opad bytea := decode(repeat('5c', 64), 'hex');
begin
    for i in 0..octet_length(v_key) - 1 loop
        v_ipad := set_byte(v_ipad, i, get_byte(v_key, i) # 54);
        v_opad := set_byte(v_opad, i, get_byte(v_key, i) # 92);
    end loop;
    return sha256(v_opad || sha256(v_ipad || p_message));
end
$$;

create or replace function df.scram_verifier(p_password text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_salt   bytea := uuid_send(gen_random_uuid());
    v_salted bytea;
    v_client bytea;
begin
    v_salted := df.hmac_sha256(convert_to(p_password, 'UTF8'), v_salt || E'\\x00000001'::bytea);
    v_client := df.hmac_sha256(v_salted, convert_to('Client Key', 'UTF8'));
    return 'SCRAM-SHA-256$1:' || encode(v_salt, 'base64') || '$'
        || encode(sha256(v_client), 'base64') || ':'
        || encode(df.hmac_sha256(v_salted, convert_to('Server Key', 'UTF8')), 'base64');
end
$$;
