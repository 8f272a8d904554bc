CREATE SCHEMA "shennong";
--> statement-breakpoint
CREATE TABLE "shennong"."anomalies" (
	"fingerprint" text NOT NULL,
	"starts_at" timestamp with time zone NOT NULL,
	"ends_at" timestamp with time zone,
	"state" text NOT NULL,
	"alert" text NOT NULL,
	"severity" text NOT NULL,
	"node" text,
	"summary" text NOT NULL,
	"labels" jsonb NOT NULL,
	"annotations" jsonb NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "anomalies_pkey" PRIMARY KEY("fingerprint","starts_at"),
	CONSTRAINT "anomalies_state_check" CHECK ("shennong"."anomalies"."state" in ('firing', 'resolved')),
	CONSTRAINT "anomalies_ends_at_check" CHECK (("shennong"."anomalies"."ends_at" is not null) = ("shennong"."anomalies"."state" = 'resolved'))
);
--> statement-breakpoint
CREATE INDEX "anomalies_starts_at_index" ON "shennong"."anomalies" USING btree ("starts_at");