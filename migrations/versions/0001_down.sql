-- Everything that 0001 made, taken away again; the extensions and the roles stay, for others may use them.

DO $$
DECLARE
    rule record;
BEGIN
    FOR rule IN SELECT policyname, tablename FROM pg_policies WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP POLICY %I ON %I', rule.policyname, rule.tablename);
    END LOOP;
END $$;

DROP VIEW gis_grids, gis_units, gis_places, gis_incidents, gis_findings, gis_roads, gis_barriers;

DROP FUNCTION places_sounding, streets_sounding;

DROP TABLE lineage;
DROP TABLE plan_measure;
DROP TABLE plan_event;
DROP TABLE plan_change;
DROP TABLE plan_op;
DROP TABLE plan;
DROP TABLE place_name;
DROP TABLE house_number;
DROP TABLE overlap;
DROP TABLE street;
DROP TABLE staffing_rule;
DROP TABLE override;
DROP TABLE incident_event;
DROP TABLE incident;
DROP TABLE grid_version;
DROP TABLE grid_area;
DROP TABLE grid_cell;
DROP TABLE duty_event;
DROP TABLE cover;
DROP TABLE assignment;
DROP TABLE unit_version;
DROP TABLE unit_link;
DROP TABLE sign_in_flow;
DROP TABLE session;
DROP TABLE token;
DROP TABLE team_version;
DROP TABLE team_state;
DROP TABLE team_member;
DROP TABLE shift;
DROP TABLE role_grant;
DROP TABLE road_edge;
DROP TABLE responsibility;
DROP TABLE response_step;
DROP TABLE place_version;
DROP TABLE officer_version;
DROP TABLE measure;
DROP TABLE leave;
DROP TABLE incident_key;
DROP TABLE grid;
DROP TABLE finding;
DROP TABLE acknowledgement;
DROP TABLE unit;
DROP TABLE team;
DROP TABLE category_alias;
DROP TABLE worker;
DROP TABLE source;
DROP TABLE schedule_slot;
DROP TABLE road_node;
DROP TABLE gis_login;
DROP TABLE principal;
DROP TABLE place;
DROP TABLE officer;
DROP TABLE layer;
DROP TABLE job;
DROP TABLE deployment;
DROP TABLE dataset_version;
DROP TABLE category;
DROP TABLE calendar_day;
DROP TABLE barrier;
DROP TABLE audit_spool;
DROP TABLE audit_head;
DROP TABLE audit;
DROP TABLE address;

DROP FUNCTION gis_scope, units_called, bind_subject, hidden_layers, touches_scope, scope_area, scope_of, scope_layers, scope_ids, scope_text, public_layers,
    tied_layers;
DROP FUNCTION take_showings, record_audit, chain_audit, audit_link;
DROP FUNCTION name_shape, refresh_statistics, drop_incident_months, ensure_incident_months, cover_within_shift,
    whole_outlives_parts, part_within_shift, watch_incidents, no_current_incident, one_current_incident, append_only,
    history_stays, open_version, domain_lock;
