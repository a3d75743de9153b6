"""The word tables of the pocket language: slot synonyms, modifiers and sentence templates.

Slot tables (actions, objects, colours, places, lights) are the published synonym table. In each tuple the first
entry is the commonest. No phrase of one action matches a text of another one, but for "shakes" inside "shakes hands
with" and "dances" inside "dances with", where the longest literal match wins, and "gives a wave to", which the scorer
tells from giving. Modifiers hold no words of objects, colours, places and lights, so whatever an AD says of these, it
says on purpose. Semicolons separate phrases of several words.
"""

from __future__ import annotations


def _split(text: str) -> tuple[str, ...]:
    """Phrases of a block of text, separated by semicolons, in order."""
    return tuple(" ".join(part.split()) for part in text.split(";") if part.strip())


ACTION_PHRASES: dict[str, tuple[str, ...]] = {
    "pick_up": ("picks up {object}", "gathers up {object}", "scoops up {object}", "stoops for {object}"),
    "put_down": ("puts down {object}", "sets down {object}", "lays down {object}", "deposits {object}"),
    "lift": ("lifts {object} overhead", "raises {object} high", "hoists {object} aloft"),
    "throw": ("throws {object}", "tosses {object}", "hurls {object}", "flings {object}"),
    "carry": ("carries {object}", "walks along with {object}", "lugs {object}", "totes {object}"),
    "push": ("pushes {object}", "shunts {object}", "nudges {object} forward", "propels {object}"),
    "pull": ("pulls {object}", "drags {object}", "tugs {object}", "tows {object}"),
    "kick": ("kicks {object}", "boots {object}", "punts {object}"),
    "point_at": ("points at {object}", "points to {object}", "gestures at {object}", "indicates {object}"),
    "shake": ("shakes {object}", "rattles {object}", "jiggles {object}"),
    "drop": ("drops {object}", "lets go of {object}", "loses hold of {object}", "fumbles {object}"),
    "inspect": ("inspects {object}", "examines {object}", "studies {object}", "scrutinises {object}"),
    "sit_down": ("sits down", "takes a seat", "settles into a seat"),
    "stand_up": ("stands up", "gets up", "gets to both feet", "straightens up"),
    "jump": ("jumps", "leaps up", "hops", "springs into the air"),
    "wave": ("waves", "gives a wave", "flaps a hand in greeting"),
    "dance": ("dances", "sways to the music", "twirls around"),
    "kneel": ("kneels", "goes down on one knee", "sinks to the knees"),
    "run": ("runs", "sprints", "dashes off", "races along"),
    "bow": ("bows", "takes a bow", "bends low at the waist"),
    "clap": ("claps", "applauds", "breaks into applause"),
    "fall": ("falls", "tumbles", "collapses", "topples over"),
    "cover_face": ("covers both eyes", "hides behind both hands", "presses both palms against both cheeks"),
    "cheer": ("cheers", "celebrates", "punches the air", "whoops for joy"),
    "hug": ("hugs {partner}", "embraces {partner}", "wraps {partner} in a hug", "cuddles {partner}"),
    "shake_hands": (
        "shakes hands with {partner}", "clasps hands with {partner}", "greets {partner} with a handshake",
    ),
    "give": ("gives {object} to {partner}", "passes {object} to {partner}", "hands over {object} to {partner}"),
    "shove": ("shoves {partner}", "jostles {partner}", "barges into {partner}"),
    "dance_with": ("dances with {partner}", "waltzes with {partner}", "whirls {partner} through a tango"),
    "whisper_to": ("whispers to {partner}", "murmurs to {partner}", "speaks softly to {partner}"),
    "high_five": ("high-fives {partner}", "slaps palms with {partner}", "swaps a high five with {partner}"),
    "chase": ("chases {partner}", "pursues {partner}", "hurries after {partner}"),
}  # fmt: skip

# One other wording for captions of stills: a participle, so that captions and ADs share no verb form.
CAPTION_PHRASES: dict[str, str] = {
    "pick_up": "picking up {object}", "put_down": "putting down {object}", "lift": "holding up {object}",
    "throw": "throwing {object}", "carry": "carrying {object}", "push": "pushing {object}",
    "pull": "pulling {object}", "kick": "kicking {object}", "point_at": "pointing at {object}",
    "shake": "shaking {object}", "drop": "dropping {object}", "inspect": "looking closely at {object}",
    "sit_down": "sitting down", "stand_up": "standing up", "jump": "jumping", "wave": "waving",
    "dance": "dancing", "kneel": "kneeling", "run": "running", "bow": "bowing", "clap": "clapping",
    "fall": "falling over", "cover_face": "covering the face", "cheer": "cheering",
    "hug": "hugging {partner}", "shake_hands": "shaking hands with {partner}",
    "give": "giving {object} to {partner}", "shove": "shoving {partner}", "dance_with": "dancing with {partner}",
    "whisper_to": "whispering to {partner}", "high_five": "high-fiving {partner}", "chase": "chasing {partner}",
    "idle": "standing still", "talk": "talking", "partner": "standing with {partner}",
}  # fmt: skip

ACTION_KEYWORDS: dict[str, str] = {
    "pick_up": "pick", "put_down": "put", "lift": "lift", "throw": "throw", "carry": "carry", "push": "push",
    "pull": "pull", "kick": "kick", "point_at": "point", "shake": "shake", "drop": "drop", "inspect": "inspect",
    "sit_down": "sit", "stand_up": "stand", "jump": "jump", "wave": "wave", "dance": "dance", "kneel": "kneel",
    "run": "run", "bow": "bow", "clap": "clap", "fall": "fall", "cover_face": "hide", "cheer": "cheer",
    "hug": "hug", "shake_hands": "handshake", "give": "give", "shove": "shove", "dance_with": "waltz",
    "whisper_to": "whisper", "high_five": "palms", "chase": "chase",
}  # fmt: skip

OBJECT_NOUNS: dict[str, tuple[str, ...]] = {
    "cup": ("cup", "mug", "beaker"), "bottle": ("bottle", "flask"), "book": ("book", "novel", "volume"),
    "lamp": ("lamp", "lantern"), "ball": ("ball", "football"), "hat": ("hat", "fedora", "bowler"),
    "umbrella": ("umbrella", "parasol", "brolly"), "key": ("key", "latchkey"),
    "phone": ("phone", "telephone", "handset"), "clock": ("clock", "timepiece"),
    "guitar": ("guitar", "ukulele"), "chair": ("chair", "stool"), "box": ("box", "crate", "carton"),
    "suitcase": ("suitcase", "valise", "holdall"), "vase": ("vase", "urn"), "apple": ("apple", "pippin"),
    "fish": ("fish", "trout", "carp"), "candle": ("candle", "taper"), "bell": ("bell", "handbell"),
    "drum": ("drum", "bongo"), "kite": ("kite", "paper glider"), "bucket": ("bucket", "pail"),
    "broom": ("broom", "besom"), "sword": ("sword", "sabre", "blade"), "crown": ("crown", "tiara", "coronet"),
    "mirror": ("mirror", "looking glass"), "bear": ("teddy bear", "cuddly bear"),
    "balloon": ("balloon", "party balloon"), "letter": ("letter", "envelope"), "camera": ("camera", "camcorder"),
    "cake": ("cake", "gateau", "sponge"), "plant": ("plant", "fern", "houseplant"),
}  # fmt: skip

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "scarlet"), "orange": ("orange", "tangerine"), "yellow": ("yellow", "golden"),
    "green": ("green", "emerald"), "teal": ("teal", "turquoise"), "blue": ("blue", "cobalt"),
    "purple": ("purple", "violet"), "pink": ("pink", "salmon"), "brown": ("brown", "chestnut"),
    "white": ("white", "ivory"), "grey": ("grey", "slate"), "black": ("black", "ebony"),
}  # fmt: skip

PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "kitchen": ("in the kitchen", "near the stove"), "bedroom": ("in the bedroom", "beside the bed"),
    "office": ("in the office", "among the desks"), "library": ("in the library", "among the bookshelves"),
    "garden": ("in the garden", "among the flowerbeds"), "beach": ("on the beach", "beside the sea"),
    "street": ("in the street", "on the pavement"), "forest": ("in the forest", "in the woods"),
    "classroom": ("in the classroom", "in the schoolroom"), "hospital": ("in the hospital", "on the ward"),
    "cafe": ("in the café", "in the coffee shop"), "park": ("in the park", "on the lawn"),
    "rooftop": ("on the rooftop", "up on the roof"), "garage": ("in the garage", "in the workshop"),
    "station": ("at the station", "on the platform"), "theatre": ("in the theatre", "on the stage"),
}  # fmt: skip

LIGHT_PHRASES: dict[str, tuple[str, ...]] = {
    "day": ("in daylight", "at midday", "at noon"), "morning": ("in the morning", "at dawn", "at sunrise"),
    "evening": ("in the evening", "at dusk", "at sunset"), "night": ("at night", "after dark", "by moonlight"),
}  # fmt: skip

# Which adverbs an action bears: calm, lively, both, or (accidents) only the neutral ones.
LIVELY: frozenset[str] = frozenset("throw kick shake jump run cheer shove high_five chase".split())
EITHER: frozenset[str] = frozenset("push pull lift dance dance_with wave clap hug give point_at".split())
ACCIDENTS: frozenset[str] = frozenset("drop fall".split())

ADVERBS_NEUTRAL: tuple[str, ...] = tuple(
    """suddenly silently quietly abruptly unexpectedly clumsily wordlessly nervously awkwardly soundlessly finally
    eventually promptly immediately instantly sleepily wearily drunkenly helplessly dramatically theatrically
    comically inexplicably noiselessly gracelessly sheepishly""".split()
)
ADVERBS_CALM: tuple[str, ...] = tuple(
    """slowly gently carefully calmly deliberately thoughtfully solemnly cautiously gingerly patiently gracefully
    tenderly hesitantly reluctantly politely dutifully lovingly stiffly delicately obediently timidly shyly discreetly
    secretly furtively serenely wistfully dreamily absently respectfully warily steadily softly
    meekly sadly gloomily tentatively purposefully idly elegantly reverently modestly stealthily""".split()
)
ADVERBS_LIVELY: tuple[str, ...] = tuple(
    """quickly happily eagerly boldly wildly fiercely playfully cheerfully excitedly merrily angrily impatiently
    energetically vigorously swiftly hastily confidently proudly gleefully joyfully defiantly recklessly frantically
    triumphantly furiously briskly mischievously nimbly hurriedly joyously bravely rashly exuberantly jauntily
    feverishly forcefully""".split()
)
ENDS: tuple[str, ...] = _split(
    """at once; again; once more; at last; alone; in silence; for a moment; for a second time; without warning;
    as before; in a hurry; out of nowhere; without hesitation; without a word; in plain view; by surprise;
    after a pause; on impulse; in full view; just in time; all of a sudden; yet again; for good measure; somehow;
    with a flourish; undisturbed; unnoticed; unseen; regardless; alongside; nearby; on cue; in earnest; in a daze"""
)
TAILS: tuple[str, ...] = _split(
    """before anyone notices; with a shy smile; with a broad grin; with a deep sigh; with a nervous laugh; with a
    frown; with great care; with obvious delight; with sudden energy; with a quick glance back; with eyes closed;
    with {his} eyes half closed; with {his} mouth open; with {his} head tilted; with tears in {his} eyes; with a
    proud look; with a blank stare; without a glance; without thinking; without anyone noticing; without a second
    thought; as if in a dream; as if nothing had happened; as though rehearsed; to everyone's surprise; to
    everyone's amusement; to general laughter; despite the noise; despite a warning; for no obvious reason; like a
    child; like an expert; like a beginner; like a sleepwalker; for everyone to see; against {his} own advice; with
    a trace of fear; with quiet determination; with mild amusement; with visible effort; with a puzzled expression;
    with a stern expression; with newfound courage; with a twinkle in {his} eye; with a muffled groan; with a sharp
    breath; with a lump in {his} throat; with {his} jaw clenched; with {his} heart pounding; with an apologetic
    shrug; with an air of mystery; with childish pleasure; with enormous relief; with undisguised curiosity; with
    feigned indifference; with a faint tremor; to {his} own astonishment; in slow motion; in complete concentration;
    in mounting panic; in utter disbelief; in high spirits; in sheer desperation"""
)
OBJECT_TAILS: tuple[str, ...] = _split(
    """with both hands; with clumsy fingers; with trembling fingers; with practised ease; with surprising strength;
    with some difficulty; with extreme caution; with little effort; with visible disgust"""
)
# Objects may be held by these actions, so that hands and fingers make sense.
HANDLED: frozenset[str] = frozenset("pick_up put_down lift throw carry push pull shake".split())
MOODS: tuple[str, ...] = tuple(
    """smiling frowning breathless silent alert weary grinning unsmiling tearful trembling blushing yawning humming
    whistling undaunted unimpressed bored amused anxious determined bewildered embarrassed relieved exhausted
    curious hopeful restless startled suspicious radiant jubilant sweating panting shivering squinting muttering
    pouting daydreaming expressionless flustered perplexed fascinated distracted speechless""".split()
)
STATES: tuple[str, ...] = MOODS + _split(
    """lost in thought; deep in thought; wide awake; half asleep; eyes wide; chin raised; teeth clenched; close to
    tears; clearly worried; visibly shaken; evidently pleased; quite unaware; {his} eyes narrowed; {his} brow
    furrowed; {his} lips parted; {his} shoulders hunched; {his} sleeves rolled back; {his} hair tousled"""
)
REACTS: tuple[str, ...] = _split(
    """smiles; grins; nods; sighs; laughs; blinks; frowns; looks away; looks back; exhales; winks; chuckles; shrugs;
    giggles; yawns; shivers; swallows; scowls; smirks; beams; hesitates; waits; listens; blushes; grimaces; winces;
    gulps; sneezes; coughs; snorts; shudders; groans; relaxes; glances around; bites {his} lip; closes {his} eyes;
    clears {his} throat; rolls {his} eyes; purses {his} lips; tilts {his} head; scratches {his} chin; wipes {his} brow;
    rubs {his} neck; narrows {his} eyes; clenches {his} jaw; holds {his} breath; licks {his} lips; blows a kiss;
    sticks out {his} tongue; stares ahead; stifles a yawn; suppresses a smile; winces in pain"""
)
LEADS: tuple[str, ...] = _split(
    """pauses; hesitates; nods; sighs; smiles; looks around; looks up; glances back; takes a breath; frowns; blinks;
    shrugs; listens; grins; thinks for a moment; waits a moment; stares ahead; hums a tune; gasps; counts to three;
    stretches; shivers; sniffs; yawns; whistles; tidies {his} hair; adjusts {his} collar; smooths {his} clothes;
    straightens {his} collar; rubs {his} eyes; squares {his} shoulders; summons {his} courage; checks the time;
    ignores the others; notices something; changes {his} mind; makes a decision; overcomes {his} fear"""
)
BYSTANDERS: tuple[str, ...] = _split(
    """the others watch; the others look on; music plays; a dog barks; nobody moves; everyone watches; the wind blows;
    a door slams; voices fade; someone laughs; footsteps approach; silence settles; an engine rumbles; people pass by;
    a baby cries; thunder rolls; birds sing; a siren wails; dust drifts past; the crowd falters; a cat yowls;
    strangers stare; the tension grows; a floorboard creaks; the conversation stops; an audience gathers"""
)
OPENERS: tuple[str, ...] = _split(
    """now; moments later; at last; meanwhile; a moment later; all at once; this time; soon afterwards; elsewhere;
    nearby; seconds later; once again; after a while; off to one side; without a sound"""
)
ADJECTIVES: tuple[str, ...] = tuple(
    """old small heavy big little large strange curious precious battered dusty shabby elegant simple fancy ordinary odd
    lovely handsome enormous tiny huge familiar beloved forgotten borrowed stolen missing favourite spare wonderful ugly
    pretty funny mysterious expensive cheap fragile delicate sturdy weathered unusual ancient modern antique splendid
    miniature oversized peculiar humble remarkable charming gorgeous shiny glossy grubby damp dirty crooked lopsided
    decorated handmade imported rare treasured cherished unwanted abandoned lost neglected faded scuffed stained sticky
    spotless pristine gleaming polished magnificent dainty bulky cumbersome awkward quaint rustic exotic speckled
    valuable worthless ridiculous enchanting impressive bizarre sparkling slippery pointless famous priceless
    comical gaudy ornate special suspicious second-hand unfamiliar massive hefty""".split()
)
AN_EXCEPTIONS: frozenset[str] = frozenset({"ukulele"})  # a vowel letter, but "a"

# (extra detail, weight, sentence). {s} subject, {v} the action phrase with its objects; the other slots are drawn
# from the tables above. Sentences that start with {s} get at least 85 % of each group's weight (a test holds it).
TEMPLATES: tuple[tuple[str, float, str], ...] = (
    ("", 3, "{s} {v}."),
    ("", 3, "{s} {adverb} {v}."),
    ("", 4, "{s} {v} {end}."),
    ("", 12, "{s} {v} {tail}."),
    ("", 5, "{s}, {state}, {v}."),
    ("", 6, "{s} {lead} and {v}."),
    ("", 5, "{s} {lead}, then {v}."),
    ("", 2, "{s} {v}, {state}."),
    ("", 6, "{s} {v} and {react}."),
    ("", 4, "{s} {v}, then {react}."),
    ("", 14, "{s} {adverb} {v} and {react}."),
    ("", 32, "{s} {adverb} {v} {tail}."),
    ("", 6, "{s} {adverb} {v} {end}."),
    ("", 4, "{s} {v} as {bystander}."),
    ("", 10, "{s} {v} while {bystander}."),
    ("", 1, "{s} now {v}."),
    ("", 1, "{s} simply {v}."),
    ("", 1, "{s}, still {mood}, {v}."),
    ("", 9, "{s} {lead} and {adverb} {v}."),
    ("", 3, "{s} then {v} {tail}."),
    ("", 1, "{s} just {v} {end}."),
    ("", 1, "{s}, now {mood}, {v}."),
    ("", 7, "{s} {react}, {lead} and {v}."),
    ("", 5, "{s} {v}, {react} and moves on."),
    ("", 2, "{s} no longer waits and {v}."),
    ("", 8, "{s} {v}, as {bystander}."),
    ("", 3, "{opener}, {s} {v}."),
    ("", 2, "{state}, {s} {v}."),
    ("", 1, "still {mood}, {s} {v}."),
    ("", 1, "as {bystander}, {s} {v}."),
    ("", 1, "{opener}, {s} {adverb} {v}."),
    ("place", 7, "{s} {v} {place}."),
    ("place", 11, "{s} {adverb} {v} {place}."),
    ("place", 5, "{s}, {state}, {v} {place}."),
    ("place", 4, "{s} {lead} and {v} {place}."),
    ("place", 4, "{s} {v} {place} and {react}."),
    ("place", 8, "{s} {v} {place} {tail}."),
    ("place", 4, "{s} {v} {place} as {bystander}."),
    ("place", 3, "{s}, {place}, {v}."),
    ("place", 2, "{s} is {place} and {v}."),
    ("place", 2, "{s}, still {place}, {v}."),
    ("place", 2, "{s}, now {place}, {v}."),
    ("place", 2, "{s} waits {place}, then {v}."),
    ("place", 3, "{s} pauses {place} and {v}."),
    ("place", 3, "{s} {v} {end} {place}."),
    ("place", 2, "{s}, {adverb}, {v} {place}."),
    ("place", 2, "{s} now {v} {place}."),
    ("place", 5, "{place}, {s} {v}."),
    ("place", 2, "{place}, {s} {adverb} {v}."),
    ("place", 1, "{place}, {s} {v} {tail}."),
    ("place", 1, "{opener}, {place}, {s} {v}."),
    ("light", 7, "{s} {v} {light}."),
    ("light", 11, "{s} {adverb} {v} {light}."),
    ("light", 5, "{s}, {state}, {v} {light}."),
    ("light", 5, "{s} {lead} and {v} {light}."),
    ("light", 4, "{s} {v} {light} and {react}."),
    ("light", 8, "{s} {v} {light} {tail}."),
    ("light", 4, "{s} {v} {light} as {bystander}."),
    ("light", 2, "{s}, {light}, {v}."),
    ("light", 2, "{s}, still {mood} {light}, {v}."),
    ("light", 2, "{s}, up and about {light}, {v}."),
    ("light", 3, "{s} now {v} {light}."),
    ("light", 3, "{s} {v} {end} {light}."),
    ("light", 5, "{light}, {s} {v}."),
    ("light", 2, "{light}, {s} {adverb} {v}."),
    ("light", 1, "{light}, {s} {v} {tail}."),
    ("light", 1, "{light}, {state}, {s} {v}."),
)
