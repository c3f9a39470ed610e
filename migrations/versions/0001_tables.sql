-- The tables. CGCS2000 longitude/latitude (4490); valid = in force in the world, recorded = known to the system.

CREATE TABLE address (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    text TEXT NOT NULL,
    point geometry(POINT,4490) NOT NULL,
    dwellings BIGINT NOT NULL,
    CONSTRAINT pk_address PRIMARY KEY (id),
    CONSTRAINT ck_address_dwellings_not_negative CHECK (dwellings >= 0),
    CONSTRAINT ck_address_point_valid CHECK (ST_IsValid(point) AND NOT ST_IsEmpty(point) AND point @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT uq_address_code UNIQUE (code)
);
CREATE INDEX ix_address_point ON address USING gist (point);

CREATE TABLE audit (
    id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    detail JSONB NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (id)
);
CREATE INDEX ix_audit_action_at_id ON audit (action, at, id);
CREATE INDEX ix_audit_actor_at_id ON audit (actor, at, id);
CREATE INDEX ix_audit_at_id ON audit (at, id);
CREATE INDEX ix_audit_object_at_id ON audit (object, at, id);

CREATE TABLE audit_head (
    id BIGINT NOT NULL,
    chain UUID NOT NULL,
    number BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit_head PRIMARY KEY (id),
    CONSTRAINT ck_audit_head_only_row CHECK (id = 1)
);

CREATE TABLE audit_spool (
    file UUID NOT NULL,
    CONSTRAINT pk_audit_spool PRIMARY KEY (file)
);

CREATE TABLE barrier (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    name TEXT,
    geom geometry(MULTILINESTRING,4490) NOT NULL,
    CONSTRAINT pk_barrier PRIMARY KEY (id),
    CONSTRAINT ck_barrier_geom_valid CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom) AND geom @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT uq_barrier_code UNIQUE (code)
);
CREATE INDEX ix_barrier_geom ON barrier USING gist (geom);

CREATE TABLE calendar_day (
    day DATE NOT NULL,
    kind TEXT NOT NULL,
    title JSONB,
    CONSTRAINT pk_calendar_day PRIMARY KEY (day),
    CONSTRAINT ck_calendar_day_kind_known CHECK (kind IN ('workday', 'weekend', 'holiday', 'make_up_workday'))
);

CREATE TABLE category (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    title JSONB NOT NULL,
    parent_id BIGINT,
    police_matter BOOLEAN NOT NULL,
    priority BIGINT NOT NULL,
    handling_minutes BIGINT NOT NULL,
    CONSTRAINT pk_category PRIMARY KEY (id),
    CONSTRAINT ck_category_priority_range CHECK (priority BETWEEN 1 AND 5),
    CONSTRAINT uq_category_code UNIQUE (code),
    CONSTRAINT fk_category_parent_id FOREIGN KEY(parent_id) REFERENCES category (id)
);

CREATE TABLE dataset_version (
    domain TEXT NOT NULL,
    n BIGINT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_dataset_version PRIMARY KEY (domain, n),
    CONSTRAINT uq_dataset_version_domain_recorded_at UNIQUE (domain, recorded_at),
    CONSTRAINT ck_dataset_version_domain_known CHECK (domain IN ('areas', 'duty', 'incidents', 'roads', 'access'))
);

CREATE TABLE deployment (
    id BIGINT NOT NULL,
    lon_0 DOUBLE PRECISION NOT NULL,
    timezone TEXT NOT NULL,
    synthetic JSONB,
    installed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_deployment PRIMARY KEY (id),
    CONSTRAINT ck_deployment_one_row CHECK (id = 1)
);

CREATE TABLE job (
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    params JSONB NOT NULL,
    priority BIGINT DEFAULT '0' NOT NULL,
    state TEXT DEFAULT 'queued' NOT NULL,
    progress DOUBLE PRECISION DEFAULT '0' NOT NULL,
    message TEXT,
    attempts BIGINT DEFAULT '0' NOT NULL,
    max_attempts BIGINT DEFAULT '5' NOT NULL,
    time_limit INTERVAL DEFAULT '01:00:00'::interval NOT NULL,
    run_after TIMESTAMP WITH TIME ZONE NOT NULL,
    heartbeat TIMESTAMP WITH TIME ZONE,
    cancel_requested BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_by TEXT NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    result JSONB,
    error TEXT,
    CONSTRAINT pk_job PRIMARY KEY (id),
    CONSTRAINT ck_job_state_known CHECK (state IN ('queued', 'running', 'done', 'failed', 'dead', 'cancelled')),
    CONSTRAINT ck_job_progress_range CHECK (progress BETWEEN 0 AND 1)
);
CREATE INDEX ix_job_state_run_after ON job (state, run_after);
CREATE INDEX ix_job_waiting ON job (priority, created_by, run_after, created_at) WHERE state IN ('queued', 'running');
CREATE INDEX ix_job_served ON job (created_by, heartbeat);

CREATE TABLE layer (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    title JSONB NOT NULL,
    kind TEXT NOT NULL,
    visibility TEXT NOT NULL,
    code_scheme TEXT NOT NULL,
    position BIGINT NOT NULL,
    parent_layer_id BIGINT,
    built_from_id BIGINT,
    CONSTRAINT pk_layer PRIMARY KEY (id),
    CONSTRAINT ck_layer_kind_known CHECK (kind IN ('tiling', 'free')),
    CONSTRAINT ck_layer_visibility_known CHECK (visibility IN ('public', 'internal')),
    CONSTRAINT uq_layer_code UNIQUE (code),
    CONSTRAINT fk_layer_parent_layer_id FOREIGN KEY(parent_layer_id) REFERENCES layer (id),
    CONSTRAINT fk_layer_built_from_id FOREIGN KEY(built_from_id) REFERENCES layer (id)
);

CREATE TABLE officer (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    number TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_officer PRIMARY KEY (id),
    CONSTRAINT uq_officer_number UNIQUE (number)
);

CREATE TABLE place (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_place PRIMARY KEY (id),
    CONSTRAINT uq_place_code UNIQUE (code)
);

CREATE TABLE principal (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT COLLATE "C" NOT NULL,
    title JSONB NOT NULL,
    is_demo BOOLEAN DEFAULT false NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    oidc_name TEXT,
    oidc_subject TEXT,
    login_named_by BIGINT,
    CONSTRAINT pk_principal PRIMARY KEY (id),
    CONSTRAINT uq_principal_oidc_name UNIQUE (oidc_name),
    CONSTRAINT uq_principal_oidc_subject UNIQUE (oidc_subject),
    CONSTRAINT uq_principal_name UNIQUE (name),
    CONSTRAINT fk_principal_login_named_by FOREIGN KEY(login_named_by) REFERENCES principal (id)
);

CREATE TABLE road_node (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    point geometry(POINT,4490) NOT NULL,
    CONSTRAINT pk_road_node PRIMARY KEY (id),
    CONSTRAINT ck_road_node_point_valid CHECK (ST_IsValid(point) AND NOT ST_IsEmpty(point) AND point @ ST_MakeEnvelope(-180, -90, 180, 90, 4490))
);
CREATE INDEX ix_road_node_point ON road_node USING gist (point);

CREATE TABLE schedule_slot (
    kind TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    job_id UUID,
    CONSTRAINT pk_schedule_slot PRIMARY KEY (kind)
);

CREATE TABLE source (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    title JSONB NOT NULL,
    expected_interval INTERVAL,
    last_received TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_source PRIMARY KEY (id),
    CONSTRAINT uq_source_code UNIQUE (code)
);

CREATE TABLE team (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_team PRIMARY KEY (id),
    CONSTRAINT uq_team_code UNIQUE (code)
);

CREATE TABLE unit (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    tree TEXT NOT NULL,
    CONSTRAINT pk_unit PRIMARY KEY (id),
    CONSTRAINT ck_unit_tree_known CHECK (tree IN ('police', 'governance', 'agency'))
);

CREATE TABLE worker (
    id UUID NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    job_id UUID,
    CONSTRAINT pk_worker PRIMARY KEY (id)
);

CREATE TABLE category_alias (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    source_id BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    category_id BIGINT NOT NULL,
    CONSTRAINT pk_category_alias PRIMARY KEY (id),
    CONSTRAINT uq_category_alias_source_id_code UNIQUE (source_id, code),
    CONSTRAINT fk_category_alias_source_id FOREIGN KEY(source_id) REFERENCES source (id),
    CONSTRAINT fk_category_alias_category_id FOREIGN KEY(category_id) REFERENCES category (id)
);

CREATE TABLE finding (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    layer_id BIGINT,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    geom geometry(GEOMETRY,4490),
    area_m2 DOUBLE PRECISION,
    grids TEXT[] COLLATE "C" DEFAULT '{}' NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_finding PRIMARY KEY (id),
    CONSTRAINT ck_finding_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_finding_severity_known CHECK (severity IN ('info', 'warning', 'fault')),
    CONSTRAINT ck_finding_geom_valid CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom) AND geom @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT fk_finding_layer_id FOREIGN KEY(layer_id) REFERENCES layer (id)
);
CREATE INDEX ix_finding_geom ON finding USING gist (geom) WHERE upper_inf(recorded);
CREATE INDEX ix_finding_layer_id ON finding (layer_id);

CREATE TABLE acknowledgement (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    finding_key TEXT COLLATE "C" NOT NULL,
    layer_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    grids TEXT[] COLLATE "C" DEFAULT '{}' NOT NULL,
    officers TEXT[] COLLATE "C" DEFAULT '{}' NOT NULL,
    reason TEXT NOT NULL,
    acknowledged_by TEXT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_acknowledgement PRIMARY KEY (id),
    CONSTRAINT ck_acknowledgement_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_acknowledgement_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_acknowledgement_finding_key_hex CHECK (finding_key ~ '^[0-9a-f]{32}$'),
    CONSTRAINT ck_acknowledgement_reason_told CHECK (length(trim(reason)) BETWEEN 1 AND 500),
    CONSTRAINT ck_acknowledgement_ends CHECK (NOT lower_inf(valid) AND NOT upper_inf(valid)),
    CONSTRAINT one_acknowledgement_of_a_finding EXCLUDE USING gist (finding_key WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_acknowledgement_layer_id FOREIGN KEY(layer_id) REFERENCES layer (id)
);
CREATE INDEX ix_acknowledgement_layer_id ON acknowledgement (layer_id);

CREATE TABLE gis_login (
    name TEXT COLLATE "C" NOT NULL,
    principal_id BIGINT NOT NULL,
    CONSTRAINT pk_gis_login PRIMARY KEY (name),
    CONSTRAINT fk_gis_login_principal_id FOREIGN KEY(principal_id) REFERENCES principal (id)
);

CREATE TABLE grid (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    layer_id BIGINT NOT NULL,
    CONSTRAINT pk_grid PRIMARY KEY (id),
    CONSTRAINT uq_grid_id_layer_id UNIQUE (id, layer_id),
    CONSTRAINT fk_grid_layer_id FOREIGN KEY(layer_id) REFERENCES layer (id)
);

CREATE TABLE incident_key (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    source_id BIGINT NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL,
    current_id BIGINT,
    CONSTRAINT pk_incident_key PRIMARY KEY (id),
    CONSTRAINT uq_incident_key_source_id_external_id UNIQUE (source_id, external_id),
    CONSTRAINT fk_incident_key_source_id FOREIGN KEY(source_id) REFERENCES source (id)
);

CREATE TABLE leave (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    officer_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_leave PRIMARY KEY (id),
    CONSTRAINT ck_leave_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_leave_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_leave_kind_known CHECK (kind IN ('annual', 'sick', 'training', 'secondment', 'other')),
    CONSTRAINT one_leave_of_an_officer EXCLUDE USING gist (officer_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_leave_officer_id FOREIGN KEY(officer_id) REFERENCES officer (id)
);

CREATE TABLE measure (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    subject_kind TEXT NOT NULL,
    subject_id BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    unit TEXT NOT NULL,
    period TSTZRANGE NOT NULL,
    source_id BIGINT,
    CONSTRAINT pk_measure PRIMARY KEY (id),
    CONSTRAINT uq_measure_subject_kind_subject_id_key_period UNIQUE (subject_kind, subject_id, key, period),
    CONSTRAINT ck_measure_period_honest CHECK (NOT isempty(period) AND (lower_inf(period) OR isfinite(lower(period)) AND lower_inc(period)) AND (upper_inf(period) OR isfinite(upper(period)) AND NOT upper_inc(period))),
    CONSTRAINT ck_measure_subject_kind_known CHECK (subject_kind IN ('grid', 'unit', 'place', 'layer')),
    CONSTRAINT fk_measure_source_id FOREIGN KEY(source_id) REFERENCES source (id)
);

CREATE TABLE officer_version (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    officer_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    unit_id BIGINT NOT NULL,
    duty_phone TEXT,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_officer_version PRIMARY KEY (id),
    CONSTRAINT ck_officer_version_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_officer_version_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_officer_version_kind_known CHECK (kind IN ('community_officer', 'duty_police', 'auxiliary', 'grid_leader', 'grid_worker', 'enforcement', 'mediator', 'volunteer')),
    CONSTRAINT one_version_of_an_officer EXCLUDE USING gist (officer_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_officer_version_officer_id FOREIGN KEY(officer_id) REFERENCES officer (id),
    CONSTRAINT fk_officer_version_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id)
);
CREATE INDEX ix_officer_version_unit_id ON officer_version (unit_id);

CREATE TABLE place_version (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    place_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    class TEXT NOT NULL,
    point geometry(POINT,4490) NOT NULL,
    unit_id BIGINT,
    parent_place_id BIGINT,
    floors BIGINT,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_place_version PRIMARY KEY (id),
    CONSTRAINT ck_place_version_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_place_version_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_place_version_point_valid CHECK (ST_IsValid(point) AND NOT ST_IsEmpty(point) AND point @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT one_version_of_a_place EXCLUDE USING gist (place_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_place_version_place_id FOREIGN KEY(place_id) REFERENCES place (id),
    CONSTRAINT fk_place_version_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_place_version_parent_place_id FOREIGN KEY(parent_place_id) REFERENCES place (id)
);
CREATE INDEX ix_place_version_point ON place_version USING gist (point) WHERE upper_inf(recorded);

CREATE TABLE response_step (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    layer_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    key TEXT NOT NULL,
    title JSONB NOT NULL,
    source TEXT NOT NULL,
    unit_path TEXT[] DEFAULT '{}' NOT NULL,
    shift_kinds TEXT[] DEFAULT '{}' NOT NULL,
    roles TEXT[] DEFAULT '{}' NOT NULL,
    officer_kinds TEXT[] DEFAULT '{}' NOT NULL,
    teams_only BOOLEAN DEFAULT false NOT NULL,
    is_cover BOOLEAN NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_response_step PRIMARY KEY (id),
    CONSTRAINT ck_response_step_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_response_step_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_response_step_source_known CHECK (source IN ('grid_shift', 'neighbour_shift', 'unit_shift', 'unit_desk', 'assignment')),
    CONSTRAINT ck_response_step_cover_is_on_duty CHECK (NOT is_cover OR source IN ('grid_shift', 'unit_shift')),
    CONSTRAINT one_step_at_a_position EXCLUDE USING gist (layer_id WITH =, position WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_response_step_layer_id FOREIGN KEY(layer_id) REFERENCES layer (id)
);

CREATE TABLE responsibility (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    category_id BIGINT NOT NULL,
    unit_kind TEXT NOT NULL,
    role TEXT NOT NULL,
    deadline INTERVAL,
    CONSTRAINT pk_responsibility PRIMARY KEY (id),
    CONSTRAINT uq_responsibility_category_id_unit_kind UNIQUE (category_id, unit_kind),
    CONSTRAINT ck_responsibility_role_known CHECK (role IN ('lead', 'joint')),
    CONSTRAINT fk_responsibility_category_id FOREIGN KEY(category_id) REFERENCES category (id)
);

CREATE TABLE road_edge (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    is_backward BOOLEAN DEFAULT false NOT NULL,
    from_node_id BIGINT NOT NULL,
    to_node_id BIGINT NOT NULL,
    class TEXT NOT NULL,
    name TEXT,
    is_bridge BOOLEAN DEFAULT false NOT NULL,
    geom geometry(LINESTRING,4490) NOT NULL,
    CONSTRAINT pk_road_edge PRIMARY KEY (id),
    CONSTRAINT uq_road_edge_code_is_backward UNIQUE (code, is_backward),
    CONSTRAINT ck_road_edge_geom_valid CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom) AND geom @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT fk_road_edge_from_node_id FOREIGN KEY(from_node_id) REFERENCES road_node (id),
    CONSTRAINT fk_road_edge_to_node_id FOREIGN KEY(to_node_id) REFERENCES road_node (id)
);
CREATE INDEX ix_road_edge_from_node_id ON road_edge (from_node_id);
CREATE INDEX ix_road_edge_name ON road_edge (name);
CREATE INDEX ix_road_edge_geom ON road_edge USING gist (geom);

CREATE TABLE role_grant (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    uuid UUID DEFAULT gen_random_uuid() NOT NULL,
    principal_id BIGINT NOT NULL,
    role TEXT NOT NULL,
    unit_id BIGINT,
    layers TEXT[],
    fields TEXT[] DEFAULT '{}' NOT NULL,
    granted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    granted_by BIGINT,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_role_grant PRIMARY KEY (id),
    CONSTRAINT ck_role_grant_role_known CHECK (role IN ('viewer', 'dispatcher', 'planner', 'approver', 'duty_officer', 'analyst', 'system_admin', 'security_admin', 'audit_admin')),
    CONSTRAINT fk_role_grant_principal_id FOREIGN KEY(principal_id) REFERENCES principal (id),
    CONSTRAINT fk_role_grant_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_role_grant_granted_by FOREIGN KEY(granted_by) REFERENCES principal (id),
    CONSTRAINT uq_role_grant_uuid UNIQUE (uuid)
);
CREATE INDEX ix_role_grant_principal_id ON role_grant (principal_id);

CREATE TABLE shift (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    uuid UUID NOT NULL,
    kind TEXT NOT NULL,
    unit_id BIGINT NOT NULL,
    officer_id BIGINT,
    team_id BIGINT,
    planned TSTZRANGE NOT NULL,
    actual TSTZRANGE,
    state TEXT DEFAULT 'planned' NOT NULL,
    parent_shift BIGINT,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_shift PRIMARY KEY (id),
    CONSTRAINT ck_shift_planned_honest CHECK (NOT isempty(planned) AND (lower_inf(planned) OR isfinite(lower(planned)) AND lower_inc(planned)) AND (upper_inf(planned) OR isfinite(upper(planned)) AND NOT upper_inc(planned))),
    CONSTRAINT ck_shift_actual_honest CHECK (NOT isempty(actual) AND (lower_inf(actual) OR isfinite(lower(actual)) AND lower_inc(actual)) AND (upper_inf(actual) OR isfinite(upper(actual)) AND NOT upper_inc(actual))),
    CONSTRAINT ck_shift_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_shift_one_subject CHECK (num_nonnulls(officer_id, team_id) = 1),
    CONSTRAINT ck_shift_kind_known CHECK (kind IN ('grid', 'duty', 'standby', 'leader', 'patrol', 'desk')),
    CONSTRAINT ck_shift_state_known CHECK (state IN ('planned', 'confirmed', 'done', 'cancelled')),
    CONSTRAINT ck_shift_planned_bounded CHECK (NOT lower_inf(planned) AND NOT upper_inf(planned)),
    CONSTRAINT one_version_of_a_shift EXCLUDE USING gist (uuid WITH =, recorded WITH &&),
    CONSTRAINT one_shift_of_an_officer EXCLUDE USING gist (officer_id WITH =, planned WITH &&) WHERE (parent_shift IS NULL AND upper_inf(recorded) AND state <> 'cancelled'),
    CONSTRAINT one_part_of_a_shift EXCLUDE USING gist (officer_id WITH =, parent_shift WITH =, planned WITH &&) WHERE (parent_shift IS NOT NULL AND upper_inf(recorded) AND state <> 'cancelled'),
    CONSTRAINT one_shift_of_a_team EXCLUDE USING gist (team_id WITH =, planned WITH &&) WHERE (team_id IS NOT NULL AND parent_shift IS NULL AND upper_inf(recorded) AND state <> 'cancelled'),
    CONSTRAINT one_part_of_a_team_shift EXCLUDE USING gist (team_id WITH =, parent_shift WITH =, planned WITH &&) WHERE (team_id IS NOT NULL AND parent_shift IS NOT NULL AND upper_inf(recorded) AND state <> 'cancelled'),
    CONSTRAINT fk_shift_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_shift_officer_id FOREIGN KEY(officer_id) REFERENCES officer (id),
    CONSTRAINT fk_shift_team_id FOREIGN KEY(team_id) REFERENCES team (id),
    CONSTRAINT fk_shift_parent_shift FOREIGN KEY(parent_shift) REFERENCES shift (id)
);
CREATE INDEX ix_shift_unit_id_planned ON shift USING gist (unit_id, planned);

CREATE TABLE team_member (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    team_id BIGINT NOT NULL,
    officer_id BIGINT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_team_member PRIMARY KEY (id),
    CONSTRAINT ck_team_member_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_team_member_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT one_place_in_a_team EXCLUDE USING gist (team_id WITH =, officer_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_team_member_team_id FOREIGN KEY(team_id) REFERENCES team (id),
    CONSTRAINT fk_team_member_officer_id FOREIGN KEY(officer_id) REFERENCES officer (id)
);
CREATE INDEX ix_team_member_team_id ON team_member (team_id);

CREATE TABLE team_state (
    team_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    last_position geometry(POINT,4490),
    CONSTRAINT pk_team_state PRIMARY KEY (team_id, at),
    CONSTRAINT ck_team_state_last_position_valid CHECK (ST_IsValid(last_position) AND NOT ST_IsEmpty(last_position) AND last_position @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT fk_team_state_team_id FOREIGN KEY(team_id) REFERENCES team (id)
);

CREATE TABLE team_version (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    team_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    call_sign TEXT NOT NULL,
    radio_group TEXT,
    vehicle TEXT,
    unit_id BIGINT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_team_version PRIMARY KEY (id),
    CONSTRAINT ck_team_version_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_team_version_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT one_version_of_a_team EXCLUDE USING gist (team_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_team_version_team_id FOREIGN KEY(team_id) REFERENCES team (id),
    CONSTRAINT fk_team_version_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id)
);
CREATE INDEX ix_team_version_unit_id ON team_version (unit_id);

CREATE TABLE token (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    uuid UUID DEFAULT gen_random_uuid() NOT NULL,
    principal_id BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    label TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    issued_by BIGINT,
    CONSTRAINT pk_token PRIMARY KEY (id),
    CONSTRAINT ck_token_sha256_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT fk_token_principal_id FOREIGN KEY(principal_id) REFERENCES principal (id),
    CONSTRAINT fk_token_issued_by FOREIGN KEY(issued_by) REFERENCES principal (id),
    CONSTRAINT uq_token_sha256 UNIQUE (sha256),
    CONSTRAINT uq_token_uuid UNIQUE (uuid)
);

CREATE TABLE sign_in_flow (
    state_sha256 BYTEA NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    "then" TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sign_in_flow PRIMARY KEY (state_sha256)
);

CREATE TABLE session (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    principal_id BIGINT NOT NULL,
    token_id BIGINT,
    sha256 BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    user_agent TEXT NOT NULL,
    CONSTRAINT pk_session PRIMARY KEY (id),
    CONSTRAINT ck_session_sha256_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT fk_session_principal_id FOREIGN KEY(principal_id) REFERENCES principal (id),
    CONSTRAINT fk_session_token_id FOREIGN KEY(token_id) REFERENCES token (id),
    CONSTRAINT uq_session_sha256 UNIQUE (sha256)
);
CREATE INDEX ix_session_principal_id ON session (principal_id);
CREATE INDEX ix_session_expires_at ON session (expires_at);

CREATE TABLE unit_link (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit_id BIGINT NOT NULL,
    to_unit_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_unit_link PRIMARY KEY (id),
    CONSTRAINT ck_unit_link_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_unit_link_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_unit_link_kind_known CHECK (kind IN ('command', 'administers', 'serves', 'resident', 'on_call')),
    CONSTRAINT ck_unit_link_not_itself CHECK (unit_id <> to_unit_id),
    CONSTRAINT one_link_of_a_kind EXCLUDE USING gist (unit_id WITH =, to_unit_id WITH =, kind WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT one_parent_of_a_unit EXCLUDE USING gist (unit_id WITH =, kind WITH =, valid WITH &&, recorded WITH &&) WHERE (kind IN ('command', 'administers')),
    CONSTRAINT fk_unit_link_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_unit_link_to_unit_id FOREIGN KEY(to_unit_id) REFERENCES unit (id)
);
CREATE INDEX ix_unit_link_to_unit_id ON unit_link (to_unit_id, kind);

CREATE TABLE unit_version (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    unit_id BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    geom geometry(MULTIPOLYGON,4490),
    contacts JSONB DEFAULT '{}' NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_unit_version PRIMARY KEY (id),
    CONSTRAINT ck_unit_version_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_unit_version_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_unit_version_geom_valid CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom) AND geom @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT one_version_of_a_unit EXCLUDE USING gist (unit_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT one_unit_of_a_code EXCLUDE USING gist (code WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_unit_version_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id)
);
CREATE INDEX ix_unit_version_geom ON unit_version USING gist (geom) WHERE upper_inf(recorded);

CREATE TABLE assignment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    officer_id BIGINT NOT NULL,
    grid_id BIGINT NOT NULL,
    role TEXT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_assignment PRIMARY KEY (id),
    CONSTRAINT ck_assignment_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_assignment_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_assignment_role_known CHECK (role IN ('lead', 'deputy', 'assist')),
    CONSTRAINT one_lead_of_a_grid EXCLUDE USING gist (grid_id WITH =, valid WITH &&, recorded WITH &&) WHERE (role = 'lead'),
    CONSTRAINT one_role_in_a_grid EXCLUDE USING gist (officer_id WITH =, grid_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_assignment_officer_id FOREIGN KEY(officer_id) REFERENCES officer (id),
    CONSTRAINT fk_assignment_grid_id FOREIGN KEY(grid_id) REFERENCES grid (id)
);
CREATE INDEX ix_assignment_grid_id ON assignment (grid_id);

CREATE TABLE cover (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    shift_id BIGINT NOT NULL,
    grid_id BIGINT,
    unit_id BIGINT,
    place_id BIGINT,
    span TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_cover PRIMARY KEY (id),
    CONSTRAINT ck_cover_span_honest CHECK (NOT isempty(span) AND (lower_inf(span) OR isfinite(lower(span)) AND lower_inc(span)) AND (upper_inf(span) OR isfinite(upper(span)) AND NOT upper_inc(span))),
    CONSTRAINT ck_cover_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_cover_one_subject CHECK (num_nonnulls(grid_id, unit_id, place_id) = 1),
    CONSTRAINT fk_cover_shift_id FOREIGN KEY(shift_id) REFERENCES shift (id),
    CONSTRAINT fk_cover_grid_id FOREIGN KEY(grid_id) REFERENCES grid (id),
    CONSTRAINT fk_cover_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_cover_place_id FOREIGN KEY(place_id) REFERENCES place (id)
);
CREATE INDEX ix_cover_grid_id ON cover USING gist (grid_id, span) WHERE grid_id IS NOT NULL;
CREATE INDEX ix_cover_place_id ON cover USING gist (place_id, span) WHERE place_id IS NOT NULL;
CREATE INDEX ix_cover_shift_id ON cover (shift_id);
CREATE INDEX ix_cover_unit_id ON cover USING gist (unit_id, span) WHERE unit_id IS NOT NULL;

CREATE TABLE duty_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    shift_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    span TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_duty_event PRIMARY KEY (id),
    CONSTRAINT ck_duty_event_span_honest CHECK (NOT isempty(span) AND (lower_inf(span) OR isfinite(lower(span)) AND lower_inc(span)) AND (upper_inf(span) OR isfinite(upper(span)) AND NOT upper_inc(span))),
    CONSTRAINT ck_duty_event_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_duty_event_kind_known CHECK (kind IN ('present', 'break', 'no_show', 'committed', 'unreachable')),
    CONSTRAINT fk_duty_event_shift_id FOREIGN KEY(shift_id) REFERENCES shift (id)
);
CREATE INDEX ix_duty_event_shift_id ON duty_event (shift_id);

CREATE TABLE grid_cell (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    grid_id BIGINT NOT NULL,
    layer_id BIGINT NOT NULL,
    cell_id BIGINT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_grid_cell PRIMARY KEY (id),
    CONSTRAINT ck_grid_cell_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_grid_cell_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT fk_grid_cell_grid_id_layer_id FOREIGN KEY(grid_id, layer_id) REFERENCES grid (id, layer_id),
    CONSTRAINT one_grid_of_a_cell EXCLUDE USING gist (layer_id WITH =, cell_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT fk_grid_cell_cell_id FOREIGN KEY(cell_id) REFERENCES grid (id)
);
CREATE INDEX ix_grid_cell_grid_id ON grid_cell (grid_id);
CREATE INDEX ix_grid_cell_cell_id ON grid_cell (cell_id);

CREATE TABLE grid_area (
    version_id BIGINT NOT NULL,
    area_m2 DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_grid_area PRIMARY KEY (version_id)
);

CREATE TABLE grid_version (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    grid_id BIGINT NOT NULL,
    layer_id BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    kind TEXT DEFAULT 'regular' NOT NULL,
    unit_id BIGINT,
    geom geometry(MULTIPOLYGON,4490) NOT NULL,
    attributes JSONB DEFAULT '{}' NOT NULL,
    shape_sha256 BYTEA NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_grid_version PRIMARY KEY (id),
    CONSTRAINT ck_grid_version_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_grid_version_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_grid_version_geom_valid CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom) AND geom @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT ck_grid_version_kind_known CHECK (kind IN ('regular', 'dedicated', 'micro')),
    CONSTRAINT fk_grid_version_grid_id_layer_id FOREIGN KEY(grid_id, layer_id) REFERENCES grid (id, layer_id),
    CONSTRAINT one_version_of_a_grid EXCLUDE USING gist (grid_id WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT one_grid_of_a_code EXCLUDE USING gist (layer_id WITH =, code WITH =, grid_id WITH <>),
    CONSTRAINT fk_grid_version_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_grid_version_id FOREIGN KEY(id) REFERENCES grid_area (version_id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_grid_version_geom ON grid_version USING gist (geom) WHERE upper_inf(recorded);
CREATE INDEX ix_grid_version_layer_id_code ON grid_version (layer_id, code);

CREATE TABLE incident (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    incident_key_id BIGINT NOT NULL,
    category_id BIGINT NOT NULL,
    span TSTZRANGE,
    point geometry(POINT,4490) NOT NULL,
    precision_m DOUBLE PRECISION,
    masked_text TEXT,
    dispatched_at TIMESTAMP WITH TIME ZONE,
    arrived_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_incident PRIMARY KEY (id, at),
    CONSTRAINT ck_incident_span_honest CHECK (NOT isempty(span) AND (lower_inf(span) OR isfinite(lower(span)) AND lower_inc(span)) AND (upper_inf(span) OR isfinite(upper(span)) AND NOT upper_inc(span))),
    CONSTRAINT ck_incident_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_incident_point_valid CHECK (ST_IsValid(point) AND NOT ST_IsEmpty(point) AND point @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT ck_incident_in_order CHECK (at <= dispatched_at AND dispatched_at <= arrived_at AND arrived_at <= closed_at),
    CONSTRAINT fk_incident_incident_key_id FOREIGN KEY(incident_key_id) REFERENCES incident_key (id),
    CONSTRAINT fk_incident_category_id FOREIGN KEY(category_id) REFERENCES category (id)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_incident_at ON incident (at);
CREATE INDEX ix_incident_incident_key_id ON incident (incident_key_id);
CREATE INDEX ix_incident_point ON incident USING gist (point);

CREATE TABLE incident_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    incident_key_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    from_unit_id BIGINT,
    to_unit_id BIGINT,
    team_id BIGINT,
    reason TEXT,
    deadline TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_incident_event PRIMARY KEY (id),
    CONSTRAINT fk_incident_event_incident_key_id FOREIGN KEY(incident_key_id) REFERENCES incident_key (id),
    CONSTRAINT fk_incident_event_from_unit_id FOREIGN KEY(from_unit_id) REFERENCES unit (id),
    CONSTRAINT fk_incident_event_to_unit_id FOREIGN KEY(to_unit_id) REFERENCES unit (id),
    CONSTRAINT fk_incident_event_team_id FOREIGN KEY(team_id) REFERENCES team (id)
);
CREATE INDEX ix_incident_event_incident_key_id ON incident_event (incident_key_id);

CREATE TABLE override (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    layer_id BIGINT NOT NULL,
    grid_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    geom geometry(MULTIPOLYGON,4490) NOT NULL,
    priority BIGINT NOT NULL,
    authority TEXT NOT NULL,
    document_number TEXT NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_override PRIMARY KEY (id),
    CONSTRAINT ck_override_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_override_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_override_geom_valid CHECK (ST_IsValid(geom) AND NOT ST_IsEmpty(geom) AND geom @ ST_MakeEnvelope(-180, -90, 180, 90, 4490)),
    CONSTRAINT fk_override_grid_id_layer_id FOREIGN KEY(grid_id, layer_id) REFERENCES grid (id, layer_id),
    CONSTRAINT one_override_of_a_code EXCLUDE USING gist (code WITH =, valid WITH &&, recorded WITH &&)
);
CREATE INDEX ix_override_geom ON override USING gist (geom) WHERE upper_inf(recorded);

CREATE TABLE staffing_rule (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT COLLATE "C" NOT NULL,
    grid_id BIGINT,
    unit_id BIGINT,
    place_id BIGINT,
    layer_id BIGINT,
    officer_kind TEXT,
    required BIGINT NOT NULL,
    weekdays SMALLINT DEFAULT '127' NOT NULL,
    minute_from SMALLINT DEFAULT '0' NOT NULL,
    minute_to SMALLINT DEFAULT '1440' NOT NULL,
    auxiliaries_suffice BOOLEAN DEFAULT false NOT NULL,
    valid TSTZRANGE NOT NULL,
    recorded TSTZRANGE NOT NULL,
    CONSTRAINT pk_staffing_rule PRIMARY KEY (id),
    CONSTRAINT ck_staffing_rule_valid_honest CHECK (NOT isempty(valid) AND (lower_inf(valid) OR isfinite(lower(valid)) AND lower_inc(valid)) AND (upper_inf(valid) OR isfinite(upper(valid)) AND NOT upper_inc(valid))),
    CONSTRAINT ck_staffing_rule_recorded_honest CHECK (NOT isempty(recorded) AND (false OR isfinite(lower(recorded)) AND lower_inc(recorded)) AND (upper_inf(recorded) OR isfinite(upper(recorded)) AND NOT upper_inc(recorded))),
    CONSTRAINT ck_staffing_rule_one_subject CHECK (num_nonnulls(grid_id, unit_id, place_id, layer_id) = 1),
    CONSTRAINT one_rule_of_a_code EXCLUDE USING gist (code WITH =, valid WITH &&, recorded WITH &&),
    CONSTRAINT ck_staffing_rule_required_not_negative CHECK (required >= 0),
    CONSTRAINT ck_staffing_rule_weekdays_mask CHECK (weekdays BETWEEN 1 AND 127),
    CONSTRAINT ck_staffing_rule_minutes_range CHECK (minute_from BETWEEN 0 AND 1439 AND minute_to BETWEEN 1 AND 2880),
    CONSTRAINT fk_staffing_rule_grid_id FOREIGN KEY(grid_id) REFERENCES grid (id),
    CONSTRAINT fk_staffing_rule_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_staffing_rule_place_id FOREIGN KEY(place_id) REFERENCES place (id),
    CONSTRAINT fk_staffing_rule_layer_id FOREIGN KEY(layer_id) REFERENCES layer (id)
);

CREATE TABLE street (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    within TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    pinyin TEXT COLLATE "C" NOT NULL,
    initials TEXT COLLATE "C" NOT NULL,
    roads TEXT[] DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_street PRIMARY KEY (id),
    CONSTRAINT uq_street_within_name UNIQUE (within, name)
);
CREATE INDEX ix_street_sound ON street USING gin (pinyin gin_trgm_ops, initials gin_trgm_ops);

CREATE TABLE house_number (
    address_id BIGINT NOT NULL,
    street_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    suffix TEXT COLLATE "C" NOT NULL,
    rest TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_house_number PRIMARY KEY (address_id),
    CONSTRAINT fk_house_number_address_id FOREIGN KEY(address_id) REFERENCES address (id) ON DELETE CASCADE,
    CONSTRAINT fk_house_number_street_id FOREIGN KEY(street_id) REFERENCES street (id)
);
CREATE INDEX ix_house_number_street_id_number ON house_number (street_id, number);

CREATE TABLE place_name (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    place_version_id BIGINT,
    address_id BIGINT,
    pinyin TEXT COLLATE "C",
    initials TEXT COLLATE "C",
    line TEXT COLLATE "C",
    at_m BIGINT,
    sign TEXT COLLATE "C",
    CONSTRAINT pk_place_name PRIMARY KEY (id),
    CONSTRAINT uq_place_name_place_version_id UNIQUE (place_version_id),
    CONSTRAINT uq_place_name_address_id UNIQUE (address_id),
    CONSTRAINT ck_place_name_one_subject CHECK (num_nonnulls(place_version_id, address_id) = 1),
    CONSTRAINT ck_place_name_stake_whole CHECK ((line IS NULL) = (at_m IS NULL)),
    CONSTRAINT fk_place_name_place_version_id FOREIGN KEY(place_version_id) REFERENCES place_version (id),
    CONSTRAINT fk_place_name_address_id FOREIGN KEY(address_id) REFERENCES address (id) ON DELETE CASCADE
);
CREATE INDEX ix_place_name_sound ON place_name USING gin (pinyin gin_trgm_ops, initials gin_trgm_ops);
CREATE INDEX ix_place_name_line_at_m ON place_name (line, at_m);
CREATE INDEX ix_place_name_sign ON place_name (sign);

CREATE TABLE overlap (
    left_sha256 BYTEA NOT NULL,
    right_sha256 BYTEA NOT NULL,
    area_m2 DOUBLE PRECISION NOT NULL,
    left_inside_m DOUBLE PRECISION NOT NULL,
    right_inside_m DOUBLE PRECISION NOT NULL,
    together_m DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_overlap PRIMARY KEY (left_sha256, right_sha256),
    CONSTRAINT ck_overlap_area_m2_positive CHECK (area_m2 > 0)
);
CREATE INDEX ix_overlap_right_sha256 ON overlap (right_sha256);

CREATE TABLE plan (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    note TEXT NOT NULL,
    unit_id BIGINT,
    layers BIGINT[] NOT NULL,
    base_version BIGINT NOT NULL,
    base_at TIMESTAMP WITH TIME ZONE NOT NULL,
    counted TSTZRANGE NOT NULL,
    state TEXT DEFAULT 'draft' NOT NULL,
    revision BIGINT DEFAULT '0' NOT NULL,
    head BIGINT DEFAULT '0' NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reverts UUID,
    document_number TEXT,
    effective TIMESTAMP WITH TIME ZONE,
    published_version BIGINT,
    duty_version BIGINT,
    sha256 TEXT,
    manifest JSONB,
    touched BIGINT[],
    made JSONB,
    superseded_by UUID,
    CONSTRAINT pk_plan PRIMARY KEY (id),
    CONSTRAINT ck_plan_state_known CHECK (state IN ('draft', 'submitted', 'returned', 'approved', 'published', 'abandoned')),
    CONSTRAINT ck_plan_effective_once_published CHECK ((state = 'published') = (effective IS NOT NULL)),
    CONSTRAINT fk_plan_unit_id FOREIGN KEY(unit_id) REFERENCES unit (id),
    CONSTRAINT fk_plan_reverts FOREIGN KEY(reverts) REFERENCES plan (id),
    CONSTRAINT fk_plan_superseded_by FOREIGN KEY(superseded_by) REFERENCES plan (id)
);

CREATE TABLE plan_op (
    plan_id UUID NOT NULL,
    n BIGINT NOT NULL,
    parent BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body JSONB NOT NULL,
    made_by TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_plan_op PRIMARY KEY (plan_id, n),
    CONSTRAINT fk_plan_op_plan_id FOREIGN KEY(plan_id) REFERENCES plan (id)
);

CREATE TABLE plan_change (
    plan_id UUID NOT NULL,
    layer_id BIGINT NOT NULL,
    key BIGINT NOT NULL,
    n BIGINT NOT NULL,
    was JSONB,
    was_shape geometry(MULTIPOLYGON,4490),
    becomes JSONB,
    shape geometry(MULTIPOLYGON,4490),
    holds JSONB,
    CONSTRAINT pk_plan_change PRIMARY KEY (plan_id, layer_id, key, n),
    CONSTRAINT fk_plan_change_plan_id_n FOREIGN KEY(plan_id, n) REFERENCES plan_op (plan_id, n),
    CONSTRAINT ck_plan_change_says_something CHECK (was IS NOT NULL OR becomes IS NOT NULL),
    CONSTRAINT ck_plan_change_was_whole CHECK ((was IS NULL) = (was_shape IS NULL)),
    CONSTRAINT ck_plan_change_becomes_whole CHECK ((becomes IS NULL) = (shape IS NULL)),
    CONSTRAINT fk_plan_change_layer_id FOREIGN KEY(layer_id) REFERENCES layer (id)
);

CREATE TABLE plan_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    plan_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    head BIGINT NOT NULL,
    kind TEXT NOT NULL,
    by TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_plan_event PRIMARY KEY (id),
    CONSTRAINT uq_plan_event_plan_id_revision UNIQUE (plan_id, revision),
    CONSTRAINT fk_plan_event_plan_id FOREIGN KEY(plan_id) REFERENCES plan (id)
);
CREATE INDEX ix_plan_event_plan_id_kind ON plan_event (plan_id, kind);

CREATE TABLE plan_measure (
    plan_id UUID NOT NULL,
    base_version BIGINT NOT NULL,
    base_at TIMESTAMP WITH TIME ZONE NOT NULL,
    grid_id BIGINT NOT NULL,
    layer_id BIGINT NOT NULL,
    unit_id BIGINT,
    addresses BIGINT NOT NULL,
    dwellings BIGINT NOT NULL,
    incidents BIGINT NOT NULL,
    handling_minutes DOUBLE PRECISION NOT NULL,
    officers TEXT[] COLLATE "C" NOT NULL,
    CONSTRAINT pk_plan_measure PRIMARY KEY (plan_id, base_version, base_at, grid_id),
    CONSTRAINT fk_plan_measure_plan_id FOREIGN KEY(plan_id) REFERENCES plan (id),
    CONSTRAINT fk_plan_measure_grid_id FOREIGN KEY(grid_id) REFERENCES grid (id),
    CONSTRAINT fk_plan_measure_layer_id FOREIGN KEY(layer_id) REFERENCES layer (id)
);

CREATE TABLE lineage (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    plan_id UUID,
    pred_id BIGINT NOT NULL,
    succ_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    area_share DOUBLE PRECISION NOT NULL,
    address_share DOUBLE PRECISION,
    workload_share DOUBLE PRECISION,
    CONSTRAINT pk_lineage PRIMARY KEY (id),
    CONSTRAINT uq_lineage_pred_id_succ_id_at_plan_id UNIQUE (pred_id, succ_id, at, plan_id),
    CONSTRAINT ck_lineage_kind_known CHECK (kind IN ('reshape', 'split', 'merge', 'renumber', 'create', 'dissolve')),
    CONSTRAINT ck_lineage_area_share_range CHECK (area_share BETWEEN 0 AND 1),
    CONSTRAINT ck_lineage_address_share_range CHECK (address_share BETWEEN 0 AND 1),
    CONSTRAINT ck_lineage_workload_share_range CHECK (workload_share BETWEEN 0 AND 1),
    CONSTRAINT fk_lineage_plan_id FOREIGN KEY(plan_id) REFERENCES plan (id),
    CONSTRAINT fk_lineage_pred_id FOREIGN KEY(pred_id) REFERENCES grid (id),
    CONSTRAINT fk_lineage_succ_id FOREIGN KEY(succ_id) REFERENCES grid (id)
);
