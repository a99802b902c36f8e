-- What the migrations beside this file make, all together; a test compares. GANTRY_UPDATE_GOLDEN=1 ./dev test Repo writes it anew.

CREATE TABLE public.addresses (
    network uuid NOT NULL,
    instance uuid NOT NULL,
    nic text NOT NULL,
    mac text NOT NULL,
    ipv4 inet,
    ipv6 inet,
    is_static boolean NOT NULL
);
CREATE TABLE public.clones (
    instance uuid NOT NULL,
    source uuid NOT NULL,
    snapshot uuid NOT NULL,
    own boolean NOT NULL,
    linked boolean NOT NULL
);
CREATE TABLE public.default_networks (
    node uuid NOT NULL
);
CREATE TABLE public.event_counter (
    only_one boolean DEFAULT true NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT event_counter_only_one_check CHECK (only_one)
)
WITH (fillfactor='10');
CREATE TABLE public.event_pending (
    id bigint NOT NULL,
    "time" timestamp with time zone DEFAULT now() NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    actor text NOT NULL,
    request_id text,
    data json
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');
ALTER TABLE public.event_pending ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.event_pending_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.events (
    seq bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    actor text NOT NULL,
    request_id text,
    data json
);
CREATE TABLE public.images (
    id uuid NOT NULL,
    name text NOT NULL,
    state smallint NOT NULL,
    default_kind smallint NOT NULL,
    description text,
    size_bytes bigint DEFAULT 0 NOT NULL,
    sha256 jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    architecture smallint DEFAULT 1 NOT NULL,
    firmware smallint DEFAULT 1 NOT NULL,
    disk_bytes bigint,
    source text,
    updated_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);
CREATE TABLE public.instance_images (
    instance uuid NOT NULL,
    image uuid NOT NULL
);
CREATE TABLE public.instance_pools (
    instance uuid NOT NULL,
    pool uuid NOT NULL
);
CREATE TABLE public.instances (
    id uuid NOT NULL,
    name text NOT NULL,
    kind smallint NOT NULL,
    driver text NOT NULL,
    image uuid,
    node uuid NOT NULL,
    cpus integer NOT NULL,
    memory_bytes bigint NOT NULL,
    description text,
    labels jsonb DEFAULT '{}'::jsonb NOT NULL,
    boot jsonb NOT NULL,
    auto_start boolean NOT NULL,
    state smallint NOT NULL,
    state_since timestamp with time zone NOT NULL,
    state_reason text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    deleted boolean DEFAULT false NOT NULL,
    machine jsonb DEFAULT '{}'::jsonb NOT NULL,
    stop_cause smallint,
    pause_cause smallint,
    max_cpus integer,
    max_memory_bytes bigint,
    pending_cpus integer,
    pending_memory_bytes bigint,
    pending_reason text,
    wanted_running boolean DEFAULT false NOT NULL,
    current_snapshot uuid,
    cloud_init jsonb,
    cloud_init_number integer DEFAULT 1 NOT NULL,
    cloud_init_last integer DEFAULT 0 NOT NULL,
    is_template boolean DEFAULT false NOT NULL
);
CREATE TABLE public.networks (
    id uuid NOT NULL,
    name text NOT NULL,
    node uuid NOT NULL,
    settings jsonb NOT NULL,
    forwards jsonb DEFAULT '[]'::jsonb NOT NULL,
    policies json DEFAULT '[]'::json NOT NULL,
    is_ready boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    revision bigint DEFAULT 1 NOT NULL,
    applied bigint DEFAULT 0 NOT NULL,
    previous_settings jsonb,
    previous_forwards jsonb,
    previous_policies json
);
CREATE TABLE public.node_boots (
    node uuid NOT NULL,
    boot_id uuid NOT NULL
);
CREATE TABLE public.operation_log (
    operation uuid NOT NULL,
    line bigint NOT NULL,
    "time" timestamp with time zone NOT NULL,
    text text NOT NULL
);
ALTER TABLE public.operation_log ALTER COLUMN line ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.operation_log_line_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.operations (
    id uuid NOT NULL,
    kind text NOT NULL,
    target text NOT NULL,
    target_name text NOT NULL,
    state integer NOT NULL,
    behind boolean NOT NULL,
    node text NOT NULL,
    owner text,
    incarnation uuid,
    lease_until timestamp with time zone,
    "position" integer DEFAULT 0 NOT NULL,
    unwinding boolean DEFAULT false NOT NULL,
    step text,
    input json NOT NULL,
    progress json,
    result json,
    error json,
    created_by text NOT NULL,
    request_id text,
    idempotency_key text,
    request_hash text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone
)
WITH (fillfactor='70');
CREATE TABLE public.pools (
    id uuid NOT NULL,
    name text NOT NULL,
    node uuid NOT NULL,
    kind smallint NOT NULL,
    source text NOT NULL,
    description text,
    is_ready boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);
CREATE TABLE public.quotas (
    key text NOT NULL,
    scope smallint NOT NULL,
    pool uuid,
    instance uuid,
    max_count integer,
    max_bytes bigint,
    max_age bigint,
    warn_percent smallint NOT NULL,
    policy smallint NOT NULL,
    level smallint DEFAULT 1 NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);
CREATE TABLE public.schedule_runs (
    id uuid NOT NULL,
    schedule uuid NOT NULL,
    due timestamp with time zone NOT NULL,
    trigger smallint NOT NULL,
    state smallint NOT NULL,
    actor text NOT NULL,
    reason text,
    results jsonb DEFAULT '[]'::jsonb NOT NULL,
    holder uuid,
    lease_until timestamp with time zone,
    idempotency_key text,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
);
CREATE TABLE public.schedules (
    id uuid NOT NULL,
    name text NOT NULL,
    instance uuid,
    enabled boolean NOT NULL,
    settings jsonb NOT NULL,
    next_run timestamp with time zone,
    created_by text NOT NULL,
    idempotency_key text,
    request_hash text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);
CREATE TABLE public.schema_migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.snapshot_pools (
    snapshot uuid NOT NULL,
    pool uuid NOT NULL,
    size_bytes bigint
);
CREATE TABLE public.snapshots (
    id uuid NOT NULL,
    instance uuid NOT NULL,
    name text NOT NULL,
    description text,
    parent uuid,
    state smallint NOT NULL,
    level smallint,
    sha256 text,
    is_ready boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    schedule uuid,
    memory_bytes bigint,
    is_protected boolean DEFAULT false NOT NULL,
    keep_until timestamp with time zone,
    last_used_at timestamp with time zone,
    size_bytes bigint,
    measured_at timestamp with time zone
);
CREATE VIEW public.snapshots_going AS
 SELECT ((operations.input ->> 'id'::text))::uuid AS snapshot
   FROM public.operations
  WHERE ((operations.kind = 'snapshot.delete'::text) AND (operations.state = ANY (ARRAY[1, 2])) AND (NOT operations.unwinding));
CREATE TABLE public.templates (
    id uuid NOT NULL,
    name text NOT NULL,
    description text,
    base text,
    settings jsonb NOT NULL,
    created_by text NOT NULL,
    idempotency_key text,
    request_hash text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);
CREATE TABLE public.volumes (
    id uuid NOT NULL,
    node uuid NOT NULL,
    pool uuid,
    name text NOT NULL,
    description text,
    size_bytes bigint NOT NULL,
    image uuid,
    state smallint NOT NULL,
    instance uuid,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_pkey PRIMARY KEY (instance, nic);
ALTER TABLE ONLY public.clones
    ADD CONSTRAINT clones_pkey PRIMARY KEY (instance);
ALTER TABLE ONLY public.default_networks
    ADD CONSTRAINT default_networks_pkey PRIMARY KEY (node);
ALTER TABLE ONLY public.event_counter
    ADD CONSTRAINT event_counter_pkey PRIMARY KEY (only_one);
ALTER TABLE ONLY public.event_pending
    ADD CONSTRAINT event_pending_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instance_images
    ADD CONSTRAINT instance_images_pkey PRIMARY KEY (instance, image);
ALTER TABLE ONLY public.instance_pools
    ADD CONSTRAINT instance_pools_pkey PRIMARY KEY (instance, pool);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.networks
    ADD CONSTRAINT networks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.node_boots
    ADD CONSTRAINT node_boots_pkey PRIMARY KEY (node);
ALTER TABLE ONLY public.operation_log
    ADD CONSTRAINT operation_log_pkey PRIMARY KEY (operation, line);
ALTER TABLE ONLY public.operations
    ADD CONSTRAINT operations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.pools
    ADD CONSTRAINT pools_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT quotas_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.schedule_runs
    ADD CONSTRAINT schedule_runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.snapshot_pools
    ADD CONSTRAINT snapshot_pools_pkey PRIMARY KEY (snapshot, pool);
ALTER TABLE ONLY public.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.volumes
    ADD CONSTRAINT volumes_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX addresses_ipv4 ON public.addresses USING btree (network, ipv4);
CREATE UNIQUE INDEX addresses_ipv6 ON public.addresses USING btree (network, ipv6);
CREATE UNIQUE INDEX addresses_mac ON public.addresses USING btree (network, mac);
CREATE INDEX clones_snapshot ON public.clones USING btree (snapshot);
CREATE INDEX clones_source ON public.clones USING btree (source);
CREATE UNIQUE INDEX images_name ON public.images USING btree (name);
CREATE INDEX instance_images_image ON public.instance_images USING btree (image);
CREATE INDEX instance_pools_pool ON public.instance_pools USING btree (pool);
CREATE INDEX instances_current_snapshot ON public.instances USING btree (current_snapshot) WHERE (current_snapshot IS NOT NULL);
CREATE INDEX instances_image ON public.instances USING btree (image);
CREATE UNIQUE INDEX instances_name ON public.instances USING btree (name COLLATE "C") WHERE (NOT deleted);
CREATE UNIQUE INDEX networks_name ON public.networks USING btree (name COLLATE "C");
CREATE INDEX operations_active ON public.operations USING btree (target, created_at, id) WHERE (state = ANY (ARRAY[1, 2, 5]));
CREATE INDEX operations_finished ON public.operations USING btree (finished_at) WHERE (finished_at IS NOT NULL);
CREATE UNIQUE INDEX operations_idempotency ON public.operations USING btree (created_by, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX operations_newest ON public.operations USING btree (created_at DESC, id DESC);
CREATE INDEX operations_of_target ON public.operations USING btree (target, created_at DESC, id DESC);
CREATE UNIQUE INDEX operations_one_at_a_time ON public.operations USING btree (target) WHERE ((state = ANY (ARRAY[1, 2, 5])) AND (NOT behind));
CREATE UNIQUE INDEX pools_name ON public.pools USING btree (name COLLATE "C");
CREATE UNIQUE INDEX pools_source ON public.pools USING btree (node, kind, source);
CREATE INDEX quotas_instance ON public.quotas USING btree (instance) WHERE (instance IS NOT NULL);
CREATE INDEX quotas_pool ON public.quotas USING btree (pool) WHERE (pool IS NOT NULL);
CREATE UNIQUE INDEX schedule_runs_due ON public.schedule_runs USING btree (schedule, due);
CREATE UNIQUE INDEX schedule_runs_idempotency ON public.schedule_runs USING btree (schedule, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX schedule_runs_running ON public.schedule_runs USING btree (schedule) WHERE (state = 1);
CREATE INDEX schedules_due ON public.schedules USING btree (next_run) WHERE enabled;
CREATE UNIQUE INDEX schedules_idempotency ON public.schedules USING btree (created_by, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX schedules_instance ON public.schedules USING btree (instance);
CREATE UNIQUE INDEX schedules_name ON public.schedules USING btree (name COLLATE "C");
CREATE INDEX snapshot_pools_pool ON public.snapshot_pools USING btree (pool, snapshot);
CREATE INDEX snapshots_created ON public.snapshots USING btree (created_at);
CREATE UNIQUE INDEX snapshots_name ON public.snapshots USING btree (instance, name COLLATE "C");
CREATE INDEX snapshots_of_instance ON public.snapshots USING btree (instance, id);
CREATE INDEX snapshots_of_schedule ON public.snapshots USING btree (instance, schedule) WHERE (schedule IS NOT NULL);
CREATE INDEX snapshots_parent ON public.snapshots USING btree (parent);
CREATE INDEX snapshots_schedule ON public.snapshots USING btree (schedule, id) WHERE (schedule IS NOT NULL);
CREATE UNIQUE INDEX templates_idempotency ON public.templates USING btree (created_by, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE UNIQUE INDEX templates_name ON public.templates USING btree (name COLLATE "C");
CREATE INDEX volumes_image ON public.volumes USING btree (image) WHERE (image IS NOT NULL);
CREATE INDEX volumes_instance ON public.volumes USING btree (instance) WHERE (instance IS NOT NULL);
CREATE UNIQUE INDEX volumes_name ON public.volumes USING btree (COALESCE(pool, node), name COLLATE "C");
CREATE INDEX volumes_pool ON public.volumes USING btree (pool) WHERE (pool IS NOT NULL);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_network_fkey FOREIGN KEY (network) REFERENCES public.networks(id);
ALTER TABLE ONLY public.clones
    ADD CONSTRAINT clones_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.clones
    ADD CONSTRAINT clones_source_fkey FOREIGN KEY (source) REFERENCES public.instances(id);
ALTER TABLE ONLY public.instance_images
    ADD CONSTRAINT instance_images_image_fkey FOREIGN KEY (image) REFERENCES public.images(id);
ALTER TABLE ONLY public.instance_images
    ADD CONSTRAINT instance_images_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.instance_pools
    ADD CONSTRAINT instance_pools_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.instance_pools
    ADD CONSTRAINT instance_pools_pool_fkey FOREIGN KEY (pool) REFERENCES public.pools(id);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_current_snapshot_fkey FOREIGN KEY (current_snapshot) REFERENCES public.snapshots(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_image_fkey FOREIGN KEY (image) REFERENCES public.images(id);
ALTER TABLE ONLY public.operation_log
    ADD CONSTRAINT operation_log_operation_fkey FOREIGN KEY (operation) REFERENCES public.operations(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT quotas_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.schedule_runs
    ADD CONSTRAINT schedule_runs_schedule_fkey FOREIGN KEY (schedule) REFERENCES public.schedules(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.snapshot_pools
    ADD CONSTRAINT snapshot_pools_snapshot_fkey FOREIGN KEY (snapshot) REFERENCES public.snapshots(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.snapshots
    ADD CONSTRAINT snapshots_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.snapshots
    ADD CONSTRAINT snapshots_parent_fkey FOREIGN KEY (parent) REFERENCES public.snapshots(id);
ALTER TABLE ONLY public.volumes
    ADD CONSTRAINT volumes_image_fkey FOREIGN KEY (image) REFERENCES public.images(id);
ALTER TABLE ONLY public.volumes
    ADD CONSTRAINT volumes_instance_fkey FOREIGN KEY (instance) REFERENCES public.instances(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.volumes
    ADD CONSTRAINT volumes_pool_fkey FOREIGN KEY (pool) REFERENCES public.pools(id);
