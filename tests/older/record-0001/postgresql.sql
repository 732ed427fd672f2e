CREATE TABLE public.about (
    name character varying(64) NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attributes (
    pseudonym character varying(32) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    day integer NOT NULL
);
CREATE TABLE public.chain (
    name character varying(64) NOT NULL,
    pruned_seq bigint NOT NULL,
    pruned_link bytea NOT NULL,
    seq bigint NOT NULL,
    link bytea NOT NULL
);
CREATE TABLE public.checkpoints (
    seq bigint NOT NULL,
    link bytea NOT NULL,
    at_ms bigint NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL
);
CREATE TABLE public.configurations (
    sha256 character varying(64) NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.evidence (
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    metric character varying(64) NOT NULL,
    state text NOT NULL
);
CREATE TABLE public.hourly_decisions (
    hour integer NOT NULL,
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    source character varying(64) NOT NULL,
    base smallint NOT NULL,
    final smallint NOT NULL,
    bin smallint NOT NULL,
    n bigint NOT NULL,
    score double precision NOT NULL
);
CREATE TABLE public.hourly_outcomes (
    hour integer NOT NULL,
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    source character varying(64) NOT NULL,
    base smallint NOT NULL,
    final smallint NOT NULL,
    label smallint NOT NULL,
    bin smallint NOT NULL,
    n bigint NOT NULL,
    score double precision NOT NULL
);
CREATE TABLE public.hourly_risk (
    hour integer NOT NULL,
    model character varying(64) NOT NULL,
    attribute character varying(64) NOT NULL,
    base smallint NOT NULL,
    final smallint NOT NULL,
    bin smallint NOT NULL,
    n bigint NOT NULL,
    risk double precision NOT NULL,
    risk_squared double precision NOT NULL
);
CREATE TABLE public.labels (
    decision character varying(26) NOT NULL,
    label character varying(64) NOT NULL,
    at_ms bigint NOT NULL
);
CREATE TABLE public.records (
    seq bigint NOT NULL,
    id character varying(26) NOT NULL,
    kind character varying(64) NOT NULL,
    at_ms bigint NOT NULL,
    subject character varying(26),
    body text,
    body_sha256 bytea NOT NULL,
    link bytea NOT NULL
);
INSERT INTO public.about VALUES ('key', 'e6579d34737b83529e6d70fa2178c932cb78181f609cb2f8db942aaca2c741c2');
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.attributes VALUES ('128b42552bab981624708459a5bb3d6b', 'gender', 'Women', 20778);
INSERT INTO public.attributes VALUES ('3e7bbda3482898d402e083214c349302', 'gender', 'Women', 20778);
INSERT INTO public.attributes VALUES ('50671f6a0c0ace87db6478eb8f5142b9', 'race', 'African', 20778);
INSERT INTO public.attributes VALUES ('7ffec61fadda2437fee4b777ec9030c5', 'gender', 'Women', 20778);
INSERT INTO public.attributes VALUES ('8cb2d2997b5f6e4a73214dfd5bc9db5c', 'race', 'African', 20778);
INSERT INTO public.attributes VALUES ('bbb7b81698e71b4353f6220357478185', 'race', 'African', 20778);
INSERT INTO public.attributes VALUES ('bf108b909e884e6115b80aff56a4f483', 'race', 'African', 20778);
INSERT INTO public.attributes VALUES ('d5b207872cbc57172d94a39b1c346347', 'gender', 'Women', 20778);
INSERT INTO public.attributes VALUES ('f0d060bac8c3f8fb8e0bf45831382903', 'gender', 'Women', 20778);
INSERT INTO public.attributes VALUES ('fe1eea85857fc51b49b5204e6eae3252', 'gender', 'Women', 20778);
INSERT INTO public.attributes VALUES ('9fbbd0d4bc4ace80811352680499ef5b', 'gender', 'Men', 20778);
INSERT INTO public.chain VALUES ('records', 0, '\x0000000000000000000000000000000000000000000000000000000000000000', 17, '\x05350830929a5fa7676f8727ef31c544a3593f857b23913f3464ac0db696ebdb');
INSERT INTO public.checkpoints VALUES (17, '\x05350830929a5fa7676f8727ef31c544a3593f857b23913f3464ac0db696ebdb', 1795287176107, '\x8ebebd2695ca97d5d3e56d43b437c9bd3ebf6c272615835000ab73dda613aebf', '\x651f7b2f3b12e84f2ff59fe11dd35fb5e16e611def9f1f9e5a623725d81df0b4b1b0231657f89232381bf9451f13b0063d78f894999b4ba350626cebf7ce7b0b');
INSERT INTO public.configurations VALUES ('df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935', '{"v":1,"model":"hatexplain-toxicity","version":"1.0.0","bundle":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","adapters":{"adapter/detector.safetensors":"37067bb914a66669b11772cba0911896acb06d3c98200ab4e4c4cdfbc40b2042","adapter/gender/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/gender/adapter_model.safetensors":"cef1588eaca4f980024b3706905611d763a24984dc39b1913d86fdea0263ab48","adapter/orientation/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/orientation/adapter_model.safetensors":"fcd0d6424966fcf9d6cb6bc2297e285e81713fdca1d6bed6100a6532bbc82250","adapter/race/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/race/adapter_model.safetensors":"d0c8d90a460a5d644aaa2a028697e49301fcdc7ecbbd81d474d28365790e3b99","adapter/religion/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/religion/adapter_model.safetensors":"ecfeb2908e092c16f3507841b41670e61f10599438c064479442b562bb17739a"},"labels":["not toxic","toxic"],"favourable":["not toxic"],"attributes":{"race":{"groups":["none","African","Arab","multiple","Caucasian","Asian","Hispanic"],"reference":"none","threshold":0.2539346218109131},"religion":{"groups":["none","Islam","Jewish","multiple","Christian","Nonreligious","Hindu"],"reference":"none","threshold":0.8079049587249756},"gender":{"groups":["none","Women","multiple","Men"],"reference":"none","threshold":1.0},"orientation":{"groups":["none","Homosexual","Heterosexual","multiple","Asexual"],"reference":"none","threshold":0.578286349773407}}}');
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'Women', 'declared', 0, 0, 2, 1, 0.28978161459048557);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'Women', 'declared', 0, 0, 4, 2, 0.933322680742513);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'Women', 'declared', 0, 1, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'Women', 'declared', 0, 1, 9, 1, 0.9391491627785106);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'Women', 'declared', 1, 0, 2, 1, 0.22876222127045265);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'unflagged', 'inferred', 0, 0, 4, 1, 0.4648938620973121);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'unflagged', 'inferred', 0, 1, 5, 1, 0.5812040171120031);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'unflagged', 'inferred', 0, 1, 6, 1, 0.625720304108054);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'unflagged', 'inferred', 0, 1, 9, 1, 0.9956448355104628);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'unflagged', 'inferred', 1, 1, 8, 1, 0.8354988781294496);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'unflagged', 'inferred', 1, 1, 9, 1, 0.9493954730932436);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'flagged', 'inferred', 0, 1, 5, 1, 0.5812040171120031);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'flagged', 'inferred', 0, 1, 6, 1, 0.625720304108054);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'flagged', 'inferred', 1, 0, 2, 1, 0.22876222127045265);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'flagged', 'inferred', 1, 1, 9, 1, 0.9493954730932436);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'unflagged', 'inferred', 0, 0, 2, 1, 0.28978161459048557);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'unflagged', 'inferred', 0, 0, 4, 3, 1.3982165428398252);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'unflagged', 'inferred', 0, 1, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'unflagged', 'inferred', 0, 1, 9, 2, 1.9347939982889732);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'orientation', 'unflagged', 'inferred', 1, 1, 8, 1, 0.8354988781294496);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'African', 'declared', 0, 0, 4, 1, 0.4648938620973121);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'African', 'declared', 0, 1, 5, 1, 0.5812040171120031);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'African', 'declared', 1, 1, 8, 1, 0.8354988781294496);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'African', 'declared', 1, 1, 9, 1, 0.9493954730932436);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'flagged', 'inferred', 0, 1, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'flagged', 'inferred', 0, 1, 9, 1, 0.9391491627785106);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'flagged', 'inferred', 1, 0, 2, 1, 0.22876222127045265);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'unflagged', 'inferred', 0, 0, 2, 1, 0.28978161459048557);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'unflagged', 'inferred', 0, 0, 4, 2, 0.933322680742513);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'unflagged', 'inferred', 0, 1, 6, 1, 0.625720304108054);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'race', 'unflagged', 'inferred', 0, 1, 9, 1, 0.9956448355104628);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'flagged', 'inferred', 0, 0, 4, 1, 0.49543508709194095);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'flagged', 'inferred', 0, 1, 9, 1, 0.9956448355104628);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'flagged', 'inferred', 1, 1, 8, 1, 0.8354988781294496);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 0, 0, 2, 1, 0.28978161459048557);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 0, 0, 4, 2, 0.9027814557478842);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 0, 1, 5, 1, 0.5812040171120031);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 0, 1, 6, 1, 0.625720304108054);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 0, 1, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 0, 1, 9, 1, 0.9391491627785106);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 1, 0, 2, 1, 0.22876222127045265);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 1, 1, 9, 1, 0.9493954730932436);
INSERT INTO public.hourly_decisions VALUES (498690, 'hatexplain-toxicity', 'gender', 'Men', 'declared', 0, 1, 6, 1, 0.625720304108054);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'gender', 'Women', 'declared', 0, 0, 1, 4, 1, 0.49543508709194095);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'gender', 'Women', 'declared', 0, 1, 0, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'orientation', 'unflagged', 'inferred', 0, 0, 1, 4, 1, 0.49543508709194095);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'orientation', 'unflagged', 'inferred', 0, 1, 0, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'race', 'flagged', 'inferred', 0, 1, 0, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'race', 'unflagged', 'inferred', 0, 0, 1, 4, 1, 0.49543508709194095);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'religion', 'flagged', 'inferred', 0, 0, 1, 4, 1, 0.49543508709194095);
INSERT INTO public.hourly_outcomes VALUES (498690, 'hatexplain-toxicity', 'religion', 'unflagged', 'inferred', 0, 1, 0, 8, 1, 0.8357651039198697);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 0, 0, 0, 2, 0.06496511696772556, 0.0021339247852951377);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 0, 0, 2, 1, 0.2187810373376886, 0.0478651422985551);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 0, 0, 7, 1, 0.763774618976614, 0.5833516685928719);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 0, 1, 0, 2, 0.1193054477676957, 0.00945711387112866);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 0, 1, 2, 1, 0.25935401432800764, 0.06726450474805239);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 0, 1, 3, 1, 0.36995516654807925, 0.13686682525561705);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 0, 1, 6, 1, 0.6059441656784624, 0.36716833191976794);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 1, 0, 4, 1, 0.4453871940548014, 0.19836975262800935);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 1, 1, 0, 1, 0.05655136772680869, 0.0031980571917727394);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'gender', 1, 1, 7, 1, 0.7230120812374659, 0.5227464696153319);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 0, 0, 0, 1, 0.027444857090819008, 0.0007532201807354784);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 0, 0, 2, 2, 0.47676069201245674, 0.11420740278657251);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 0, 0, 4, 1, 0.4596034657377336, 0.21123534571813604);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 0, 1, 0, 1, 0.02834747652200631, 0.000803579425165699);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 0, 1, 2, 1, 0.23433096104669637, 0.054910999305068334);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 0, 1, 5, 1, 0.5414124727934966, 0.29312746569636866);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 0, 1, 6, 2, 1.2107217722370325, 0.7329277569675554);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 1, 0, 7, 1, 0.7215400323407826, 0.5206200182703375);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 1, 1, 0, 1, 0.08487199515892163, 0.0072032555622560165);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'orientation', 1, 1, 9, 1, 0.9948195629497427, 0.9896659628275171);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 0, 0, 1, 1, 0.13436424411240122, 0.018053750095896947);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 0, 0, 2, 2, 0.449683847388186, 0.10124365978922001);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 0, 0, 4, 1, 0.4448541887258536, 0.19789524922693735);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 0, 1, 0, 1, 0.013167991554874137, 0.0001733960015892366);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 0, 1, 2, 1, 0.23796462709189137, 0.05662716374698292);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 0, 1, 6, 2, 1.3213233741629837, 0.8731122127149668);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 0, 1, 9, 1, 0.9014274576114836, 0.812571461335903);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 1, 0, 7, 1, 0.762280082457942, 0.5810709241120868);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 1, 1, 4, 1, 0.43066964029126864, 0.18547633906861072);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'race', 1, 1, 9, 1, 0.9560342718892494, 0.9140015290268072);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 0, 2, 2, 0.4991072831903124, 0.1252524554836766);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 0, 4, 1, 0.4221165755827173, 0.1781824033816799);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 0, 8, 1, 0.8474337369372327, 0.7181439384994028);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 1, 0, 1, 0.030589983033553536, 0.0009357470619930932);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 1, 3, 1, 0.3081364575891442, 0.09494807649558647);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 1, 5, 1, 0.5442292252959519, 0.29618544966623195);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 1, 7, 1, 0.7887233511355132, 0.622084524626434);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 0, 1, 8, 1, 0.83746908209646, 0.7013544634674872);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 1, 0, 0, 1, 0.0021060533511106927, 4.435460717724579e-06);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 1, 1, 3, 1, 0.39353182020537136, 0.15486729351415274);
INSERT INTO public.hourly_risk VALUES (498690, 'hatexplain-toxicity', 'religion', 1, 1, 9, 1, 0.9478274870593494, 0.8983769452252411);
INSERT INTO public.labels VALUES ('01M7ZQ8MH03SB7CN7842QDG5NF', 'not toxic', 1795287176023);
INSERT INTO public.labels VALUES ('01M7ZQ8MH04NZT1GZAQV18AFZ3', 'toxic', 1795287176024);
INSERT INTO public.records VALUES (1, '01M7ZQ8MH03SB7CN7842QDG5NF', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH03SB7CN7842QDG5NF","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.13436424411240122,"religion":0.8474337369372327,"gender":0.763774618976614,"orientation":0.2550690257394217},"flagged":["religion"],"base":{"label":"toxic","score":0.5505089352112619,"favourable":false},"final":{"label":"toxic","score":0.504564912908059,"favourable":false},"p_favourable":0.49543508709194095,"corrected":false,"error":null}', '\x76dcd9b3b97f2cbcd6a6e40fbae823759cbc0e4b6636c31c08f397bdfffa0ae5', '\xf430c581c13b4fd4d529cf3492328fdbb8fdff0a09ae514bd3bcd57955f5f986');
INSERT INTO public.records VALUES (2, '01M7ZQ8MH04NZT1GZAQV18AFZ3', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH04NZT1GZAQV18AFZ3","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.651592972722763,"religion":0.7887233511355132,"gender":0.0938595867742349,"orientation":0.02834747652200631},"flagged":["race"],"base":{"label":"toxic","score":0.5672329320949466,"favourable":false},"final":{"label":"not toxic","score":0.8357651039198697,"favourable":true},"p_favourable":0.8357651039198697,"corrected":false,"error":null}', '\x5daa256777c27621bb54649e064cc3ec0e46f68553fdca4bdcfa3fb529146c23', '\x3f171267e30c9c0c692bc0f5947543a700a86c1dab3e37a084e5be0bda0db492');
INSERT INTO public.records VALUES (3, '01M7ZQ8MH0406F7DW308VQ1BBB', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH0406F7DW308VQ1BBB","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.762280082457942,"religion":0.0021060533511106927,"gender":0.4453871940548014,"orientation":0.7215400323407826},"flagged":["race","orientation"],"base":{"label":"not toxic","score":0.9452706955539223,"favourable":true},"final":{"label":"toxic","score":0.7712377787295474,"favourable":false},"p_favourable":0.22876222127045265,"corrected":false,"error":null}', '\x5bd3565e4901fb2fb52b5099726c46b3d8dd6d2a43cace061599192eab984fbb', '\x5c7a99d870faf9f30708f0826e377b64e017f57ef54649035abc84f640287f98');
INSERT INTO public.records VALUES (4, '01M7ZQ8MH00X0M78MY2FCT1QT1', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH00X0M78MY2FCT1QT1","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9014274576114836,"religion":0.030589983033553536,"gender":0.0254458609934608,"orientation":0.5414124727934966},"flagged":["race"],"base":{"label":"toxic","score":0.6187957623117876,"favourable":false},"final":{"label":"not toxic","score":0.9391491627785106,"favourable":true},"p_favourable":0.9391491627785106,"corrected":false,"error":null}', '\x34862b45942c8dbf126dcc2d1935520cb351f2fa02e2fcb0746329a2ca83d711', '\xc29eb5c20aa285d0d07b35554676fc6f8b328c7cce4a009b76841bacedc43100');
INSERT INTO public.records VALUES (5, '01M7ZQ8MH0XR8VQARV388EJESJ', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH0XR8VQARV388EJESJ","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.21659939713061338,"religion":0.4221165755827173,"gender":0.029040787574867943,"orientation":0.22169166627303505},"flagged":[],"base":{"label":"toxic","score":0.5041877586181494,"favourable":false},"final":{"label":"toxic","score":0.5621124063494279,"favourable":false},"p_favourable":0.43788759365057206,"corrected":false,"error":null}', '\x940087628d28656bc96832566ce9fc081ea6a942d2931f2de91084e4e9dcd5dc', '\xff1ed813abd3345ecb3708f4c131a3aa7d6843252f8df080b7460dc3bb7b6f45');
INSERT INTO public.records VALUES (6, '01M7ZQ8MH09SQABSSP6NCPPVWW', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH09SQABSSP6NCPPVWW","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23308445025757263,"religion":0.2308665415409843,"gender":0.2187810373376886,"orientation":0.4596034657377336},"flagged":[],"base":{"label":"toxic","score":0.9785102947340911,"favourable":false},"final":{"label":"toxic","score":0.7102183854095144,"favourable":false},"p_favourable":0.28978161459048557,"corrected":false,"error":null}', '\xff1739a90cd656111e4c6ce19519566562abf18edee9f00af7402d05bef3671b', '\xa400e00b357ceb15abe462a96d8b03409d403356807f08a33014e01f4536cce2');
INSERT INTO public.records VALUES (7, '01M7ZQ8MH0B979TYM2ZPYZGRTK', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH0B979TYM2ZPYZGRTK","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9560342718892494,"religion":0.9478274870593494,"gender":0.05655136772680869,"orientation":0.08487199515892163},"flagged":["race","religion"],"base":{"label":"not toxic","score":0.7359699890685233,"favourable":true},"final":{"label":"not toxic","score":0.8354988781294496,"favourable":true},"p_favourable":0.8354988781294496,"corrected":false,"error":null}', '\x4383da08f65a9de64e4ec6321db5350b7251b3a1cdbd112c8aeecc865952a765', '\x033e7e36e98836987b2a6619be79b7cd9fa6f90451b15ae5c93211b551101f1b');
INSERT INTO public.records VALUES (8, '01M7ZQ8MH0P9Z9X96HR8HM7NJW', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH0P9Z9X96HR8HM7NJW","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.6697304014402209,"religion":0.3081364575891442,"gender":0.6059441656784624,"orientation":0.6068017336408379},"flagged":["race","orientation"],"base":{"label":"toxic","score":0.8416171297451944,"favourable":false},"final":{"label":"not toxic","score":0.5812040171120031,"favourable":true},"p_favourable":0.5812040171120031,"corrected":false,"error":null}', '\x6a7f7f455050ace5f5f429e4737f16a7f8e6c128126a491e5ee78517f9631fa0', '\x72caccc1cff0d6ee31bd7b0525975276e8cfbd6f4c423c6f6eb52159017b43de');
INSERT INTO public.records VALUES (9, '01M7ZQ8MH0SXRMBJ1WV7MMW2MS', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH0SXRMBJ1WV7MMW2MS","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.43066964029126864,"religion":0.39353182020537136,"gender":0.7230120812374659,"orientation":0.9948195629497427},"flagged":["race","orientation"],"base":{"label":"not toxic","score":0.5441770474293208,"favourable":true},"final":{"label":"not toxic","score":0.9493954730932436,"favourable":true},"p_favourable":0.9493954730932436,"corrected":false,"error":null}', '\x63037e9954ed1d00f6b2d476bcb1733d3561af86b4f2c83e9e1e064cea879bfc', '\x452eaed684871befbc61a05e7c37c50fb520af00a0bb9699681e765941e40be1');
INSERT INTO public.records VALUES (10, '01M7ZQ8MH0GGX5EVYT0KHZEA2M', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH0GGX5EVYT0KHZEA2M","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.4448541887258536,"religion":0.2682407416493281,"gender":0.03592432939285761,"orientation":0.027444857090819008},"flagged":["race"],"base":{"label":"toxic","score":0.6815348721463226,"favourable":false},"final":{"label":"toxic","score":0.5351061379026879,"favourable":false},"p_favourable":0.4648938620973121,"corrected":false,"error":null}', '\x7a92a38030ef6df6b1504ec65f09dc830058aef50410d8f7d798923e975e8abd', '\x309534ee14f00b95545523417df496111939838969f3f5dec99efb7eb7691f3c');
INSERT INTO public.records VALUES (11, '01M7ZQ8MH05QNXQCZE1V5PFSR6', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH05QNXQCZE1V5PFSR6","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23796462709189137,"religion":0.5442292252959519,"gender":0.36995516654807925,"orientation":0.6039200385961945},"flagged":["orientation"],"base":{"label":"toxic","score":0.9344711407601869,"favourable":false},"final":{"label":"not toxic","score":0.625720304108054,"favourable":true},"p_favourable":0.625720304108054,"corrected":false,"error":null}', '\x94da687f63e6a64d3cefa829619ee6ad2db66569888debeed448303a675599f0', '\x66b40b234077fc0ba2bd27a3546c40686477fb072487d225cdfa246dec724488');
INSERT INTO public.records VALUES (12, '01M7ZQ8MH0CEBF0PW4D0VXENG5', 'decision', 1795287175712, NULL, '{"v":1,"kind":"decision","id":"01M7ZQ8MH0CEBF0PW4D0VXENG5","time":"2026-11-21T18:52:55.712Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.013167991554874137,"religion":0.83746908209646,"gender":0.25935401432800764,"orientation":0.23433096104669637},"flagged":["religion"],"base":{"label":"toxic","score":0.5297364924775521,"favourable":false},"final":{"label":"not toxic","score":0.9956448355104628,"favourable":true},"p_favourable":0.9956448355104628,"corrected":false,"error":null}', '\x9cd3d90eed7b93541a569fa9a4af2fbc589e57b152a2a2da293f38998c154819', '\x0449c3dd28189d312dc55fc9e06bb096b407ced1f75578faf2d71fa73ed4a4af');
INSERT INTO public.records VALUES (13, '01M7ZQ8MTQM1DVC4G5S8Z5E097', 'label', 1795287176023, '01M7ZQ8MH03SB7CN7842QDG5NF', '{"v":1,"kind":"label","id":"01M7ZQ8MTQM1DVC4G5S8Z5E097","time":"2026-11-21T18:52:56.023Z","subject":"01M7ZQ8MH03SB7CN7842QDG5NF","label":"not toxic","favourable":true}', '\x1136f3fe5d02456707705783e3fd2f071e0dbcd63de2f3a6039a2ca9f6b25587', '\x1aa05fa697988f8881280b5060f913da3d686868645a8734f3e0f3f0587f5fc6');
INSERT INTO public.records VALUES (14, '01M7ZQ8MTR2S2PH2ZAR8CF2B6V', 'label', 1795287176024, '01M7ZQ8MH04NZT1GZAQV18AFZ3', '{"v":1,"kind":"label","id":"01M7ZQ8MTR2S2PH2ZAR8CF2B6V","time":"2026-11-21T18:52:56.024Z","subject":"01M7ZQ8MH04NZT1GZAQV18AFZ3","label":"toxic","favourable":false}', '\x43033aa6371036a3905d3035dcbaaac88e6d6ead108835895cca35d435035bc5', '\x913916cefb83261f6f7806af5669283bfcecb47e246fe630ae06c53cdd271622');
INSERT INTO public.records VALUES (15, '01M7ZQ8MTR3NM0G9YZ86VZEV81', 'groups', 1795287176024, '01M7ZQ8MH05QNXQCZE1V5PFSR6', '{"v":1,"kind":"groups","id":"01M7ZQ8MTR3NM0G9YZ86VZEV81","time":"2026-11-21T18:52:56.024Z","subject":"01M7ZQ8MH05QNXQCZE1V5PFSR6","attributes":["gender"]}', '\x637c1920a89c670a31db4069190a990ab2c27b4450e3f6537a8831d1aec4d88f', '\x6d24be1c833b90e4e3238ec99fa8405a694e3e44b7c7b73d2407a75da30056b7');
INSERT INTO public.records VALUES (16, '01M7ZQ8MVN9EP2RV1GMA1T4FWF', 'override', 1795287176053, '01M7ZQ8MH0406F7DW308VQ1BBB', '{"v":1,"kind":"override","id":"01M7ZQ8MVN9EP2RV1GMA1T4FWF","time":"2026-11-21T18:52:56.053Z","subject":"01M7ZQ8MH0406F7DW308VQ1BBB","label":"not toxic","by":"a reviewer","reason":"seen again"}', '\xce1f5c9d02dd7a1440e537e17b09e9bf4c9afbc77ea27453433383e564e0b831', '\x67194c4c0e03dbb3ba39bb395176dd16cbf389ceb6ef23d663d5f45fa3e8a869');
INSERT INTO public.records VALUES (17, '01M7ZQ8MW3MX2N0B0RA03QH99S', 'mode', 1795287176067, NULL, '{"v":1,"kind":"mode","id":"01M7ZQ8MW3MX2N0B0RA03QH99S","time":"2026-11-21T18:52:56.067Z","model":"hatexplain-toxicity","attribute":null,"mode":"shadow"}', '\x994c9690a3de05f4342ee51ae3934644834d6aa9516c695ffa88fe8bfc7a8e38', '\x05350830929a5fa7676f8727ef31c544a3593f857b23913f3464ac0db696ebdb');
ALTER TABLE ONLY public.about
    ADD CONSTRAINT about_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.attributes
    ADD CONSTRAINT attributes_pkey PRIMARY KEY (pseudonym, attribute);
ALTER TABLE ONLY public.chain
    ADD CONSTRAINT chain_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.configurations
    ADD CONSTRAINT configurations_pkey PRIMARY KEY (sha256);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (model, attribute, "group", metric);
ALTER TABLE ONLY public.hourly_decisions
    ADD CONSTRAINT hourly_decisions_pkey PRIMARY KEY (hour, model, attribute, "group", source, base, final, bin);
ALTER TABLE ONLY public.hourly_outcomes
    ADD CONSTRAINT hourly_outcomes_pkey PRIMARY KEY (hour, model, attribute, "group", source, base, final, label, bin);
ALTER TABLE ONLY public.hourly_risk
    ADD CONSTRAINT hourly_risk_pkey PRIMARY KEY (hour, model, attribute, base, final, bin);
ALTER TABLE ONLY public.labels
    ADD CONSTRAINT labels_pkey PRIMARY KEY (decision);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (seq);
CREATE INDEX attributes_day ON public.attributes USING btree (day);
CREATE INDEX records_at_ms ON public.records USING btree (at_ms);
CREATE UNIQUE INDEX records_id ON public.records USING btree (id);
CREATE INDEX records_subject ON public.records USING btree (subject);
