/*
 * comment.sql
 *		Comments on what has none so far: what comes along with a type or a class of
 *		operators; and the mark "internal" on functions that are no interface.
 *
 * The last part of the install script: it looks at all that the others made.
 */
DO $comments$
DECLARE
	-- what users call; doc/reference.md lists the same
	interface CONSTANT text[] := regexp_split_to_array(btrim($$
		init create_class alter_class drop_class rotate_key rotate_master_key enable_key disable_key destroy_key lock unlock
		grant_class grant_class_for revoke_class request_grant approve_grant reject_grant
		protect protect_online cancel_protect_online unprotect reseal check_table value_class key_version display display_encrypted damage as_class
		mask is_id_card is_uscc is_bank_card is_mobile
		create_masking_view drop_masking_view alter_governed find recent_disclosures copy_masked pseudonym k_anonymity
		login logout actor actor_role actor_org actor_attr actor_acr actor_amr actor_mfa actor_auth_age purpose token_keys posture_roles enroll_totp
		verify_totp use_recovery_code renew_recovery_codes remove_factor
		allow_break_glass disallow_break_glass break_glass end_break_glass stop_break_glass review_break_glass conflict conflict_memberships drop_conflict
		conflicts access_report open_review attest offboard readmit
		secure_table unsecure_table explain_access add_organisation move_organisation drop_organisation set_scope_role drop_scope_role grant_membership
		end_membership grant_clearance end_clearance in_scope org_in_scope is_own can_read name_label unname_label make_label describe_label label_level
		label_compartments label_groups
		audit unaudit history as_of rows_as_of restore_row verify_table audit_watch dismiss_finding record_cluster_events erase_payload erase_history
		erase_images make_event_partitions sweep_overflow
		seal_ledger checkpoint verifier_key inclusion_proof consistency_proof receipt rotate_ledger_key verify_ledger export_ledger prune_ledger drop_events
		event_retention
	$$, E' \n\t'), '\s+');
	object record;
BEGIN
	FOR object IN
		SELECT p.oid::regprocedure AS name, CASE p.oid
			WHEN t.typinput THEN 'text input' WHEN t.typoutput THEN 'text output' WHEN t.typreceive THEN 'binary input' WHEN t.typsend THEN 'binary output'
			WHEN t.typmodin THEN 'the number of a class from its name' WHEN t.typmodout THEN 'the name of a class from its number' END AS text
		FROM pg_type t JOIN pg_proc p ON p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout)
		WHERE t.typnamespace = 'cims'::regnamespace AND p.pronamespace = 'cims'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
	LOOP
		EXECUTE format('COMMENT ON FUNCTION %s IS %L', object.name, object.text);
	END LOOP;

	FOR object IN
		SELECT c.castsource::regtype AS source, c.casttarget::regtype AS target, CASE
			WHEN c.castsource = c.casttarget THEN 'brings a value into the class of a column'
			WHEN t.typnamespace = 'cims'::regnamespace THEN 'seals a value under the class of a column'
			ELSE 'the value as the current role sees it' END AS text
		FROM pg_depend d JOIN pg_cast c ON c.oid = d.objid JOIN pg_type t ON t.oid = c.casttarget
		WHERE d.classid = 'pg_cast'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cims')
			AND obj_description(c.oid, 'pg_cast') IS NULL
	LOOP
		EXECUTE format('COMMENT ON CAST (%s AS %s) IS %L', object.source, object.target, object.text);
	END LOOP;

	FOR object IN
		SELECT f.opfname, m.amname, obj_description(o.oid, 'pg_opclass') AS text
		FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod JOIN pg_opclass o ON o.opcfamily = f.oid
		WHERE f.opfnamespace = 'cims'::regnamespace AND obj_description(f.oid, 'pg_opfamily') IS NULL
	LOOP
		EXECUTE format('COMMENT ON OPERATOR FAMILY cims.%I USING %I IS %L', object.opfname, object.amname, object.text);
	END LOOP;

	FOR object IN
		SELECT c.oid::regclass AS name, format('numbers the rows of cims.%I', r.relname) AS text
		FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') JOIN pg_class r ON r.oid = d.refobjid
		WHERE c.relkind = 'S' AND c.relnamespace = 'cims'::regnamespace AND obj_description(c.oid, 'pg_class') IS NULL
	LOOP
		EXECUTE format('COMMENT ON SEQUENCE %s IS %L', object.name, object.text);
	END LOOP;

	FOR object IN
		SELECT a.attrelid::regclass AS name, a.attname, col_description(i.inhparent, p.attnum) AS text
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = a.attname
		WHERE c.relkind = 'r' AND c.relnamespace = 'cims'::regnamespace AND col_description(a.attrelid, a.attnum) IS NULL
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', object.name, object.attname, object.text);
	END LOOP;

	FOR object IN
		SELECT p.oid::regprocedure AS name, 'internal: ' || obj_description(p.oid, 'pg_proc') AS text
		FROM pg_proc p
		WHERE p.pronamespace = 'cims'::regnamespace AND p.proname <> ALL (interface) AND obj_description(p.oid, 'pg_proc') NOT LIKE 'implementation of %'
	LOOP
		EXECUTE format('COMMENT ON ROUTINE %s IS %L', object.name, object.text);
	END LOOP;
END
$comments$;
