CREATE TABLE "provider_versions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid,
	"name" text NOT NULL,
	"version" integer NOT NULL,
	"definition" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "provider_versions_by_name" UNIQUE NULLS NOT DISTINCT("project_id","name","version")
);
--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "agreed_hosts" text[];--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "provider_version_id" uuid;--> statement-breakpoint
CREATE INDEX "provider_versions_by_update" ON "provider_versions" USING btree ("updated_at");