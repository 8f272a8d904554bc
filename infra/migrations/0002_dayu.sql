CREATE SCHEMA "dayu";
--> statement-breakpoint
CREATE TABLE "dayu"."applications" (
	"name" text PRIMARY KEY NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "dayu"."configurations" (
	"application" text NOT NULL,
	"version" integer NOT NULL,
	"values" jsonb NOT NULL,
	"by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "configurations_pkey" PRIMARY KEY("application","version")
);
--> statement-breakpoint
CREATE TABLE "dayu"."placement_history" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"application" text NOT NULL,
	"node" text NOT NULL,
	"version" text,
	"configuration" integer NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"why" text NOT NULL,
	"workflow_id" text NOT NULL,
	"run_id" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "dayu"."placements" (
	"application" text NOT NULL,
	"node" text NOT NULL,
	"version" text NOT NULL,
	"configuration" integer NOT NULL,
	"since" timestamp with time zone DEFAULT now() NOT NULL,
	"why" text NOT NULL,
	CONSTRAINT "placements_pkey" PRIMARY KEY("application","node")
);
--> statement-breakpoint
CREATE TABLE "dayu"."releases" (
	"application" text NOT NULL,
	"version" text NOT NULL,
	"digest" text NOT NULL,
	"bytes" bigint NOT NULL,
	"descriptor" json NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "releases_pkey" PRIMARY KEY("application","version")
);
--> statement-breakpoint
CREATE TABLE "dayu"."rollouts" (
	"workflow_id" text NOT NULL,
	"run_id" text NOT NULL,
	"application" text NOT NULL,
	"version" text NOT NULL,
	"user" text NOT NULL,
	"state" text NOT NULL,
	"reason" text DEFAULT '' NOT NULL,
	"document" json NOT NULL,
	"facts" json NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "rollouts_pkey" PRIMARY KEY("workflow_id","run_id"),
	CONSTRAINT "rollouts_state_check" CHECK ("dayu"."rollouts"."state" in ('running', 'done', 'unchanged', 'rolledBack', 'aborted', 'failed')),
	CONSTRAINT "rollouts_ended_check" CHECK (("dayu"."rollouts"."state" = 'running') = ("dayu"."rollouts"."ended_at" is null))
);
--> statement-breakpoint
ALTER TABLE "dayu"."configurations" ADD CONSTRAINT "configurations_application_applications_name_fk" FOREIGN KEY ("application") REFERENCES "dayu"."applications"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dayu"."placements" ADD CONSTRAINT "placements_release_fkey" FOREIGN KEY ("application","version") REFERENCES "dayu"."releases"("application","version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dayu"."releases" ADD CONSTRAINT "releases_application_applications_name_fk" FOREIGN KEY ("application") REFERENCES "dayu"."applications"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dayu"."rollouts" ADD CONSTRAINT "rollouts_application_applications_name_fk" FOREIGN KEY ("application") REFERENCES "dayu"."applications"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "placement_history_application_at_index" ON "dayu"."placement_history" USING btree ("application","at");--> statement-breakpoint
CREATE UNIQUE INDEX "rollouts_one_running_key" ON "dayu"."rollouts" USING btree ("application") WHERE "dayu"."rollouts"."state" = 'running';--> statement-breakpoint
CREATE INDEX "rollouts_application_started_at_index" ON "dayu"."rollouts" USING btree ("application","started_at");