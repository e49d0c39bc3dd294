-- What df_admin's members see besides every instance: the graphs, events and signals that belong to
-- them, so that the functions and views of the files 61 to 71, which run as their caller, show an
-- administrator the whole of each instance. Runs come with their instance.
do $$
declare
    v_table text;
begin
    foreach v_table in array array['graphs', 'outbox', 'signals'] loop
        execute format('drop policy if exists admin_rows on df.%I', v_table);
        execute format('create policy admin_rows on df.%I for select'
                       ' using ((select pg_has_role(current_user, ''df_admin'', ''member'')))', v_table);
    end loop;
end
$$;
