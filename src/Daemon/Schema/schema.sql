-- What the migrations beside this file make, all together; a test compares. GANTRY_UPDATE_GOLDEN=1 ./dev test Repo writes it anew.

CREATE TABLE public.images (
    id uuid NOT NULL,
    name text NOT NULL,
    state smallint NOT NULL,
    default_kind smallint NOT NULL,
    description text,
    size_bytes bigint DEFAULT 0 NOT NULL,
    sha256 jsonb DEFAULT '{}'::jsonb NOT NULL,
    command_line text,
    created_at timestamp with time zone NOT NULL
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
    deleted boolean DEFAULT false NOT NULL
);
CREATE TABLE public.schema_migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (name);
CREATE UNIQUE INDEX images_name ON public.images USING btree (name);
CREATE INDEX instances_image ON public.instances USING btree (image);
CREATE UNIQUE INDEX instances_name ON public.instances USING btree (name COLLATE "C") WHERE (NOT deleted);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_image_fkey FOREIGN KEY (image) REFERENCES public.images(id);
