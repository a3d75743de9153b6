"""Common first names by the pronoun that usually goes with them: a weak hint, for want of better."""

from __future__ import annotations

MALE = frozenset(
    """
adam al alan albert alex alexander alfred andrew andy anthony arnold arthur austin barry ben benjamin bernard bill
billy bob bobby brad brandon brian bruce bryan carl carlos carter chandler charles charlie chris christian christopher
clark cole connor craig dan daniel danny dave david dean dennis derek diego dominic don donald doug douglas duncan
dylan ed eddie edgar edward eli elliot eric ernest ethan eugene evan felix francis francisco frank fred frederick
gabriel gary gavin geoffrey georg george gerald giles gordon graham greg gregory gus guy hank hansel harold harry
hector henry herbert homer howard hugh hugo ian isaac ivan jack jackson jacob jake james jamie jason javier jay jeff
jeffrey jeremy jerome jerry jesse jim jimmy joe joel joey john johnny jon jonathan jordan jorge jose joseph josh
joshua juan julian justin karl keith ken kenneth kenny kevin kurt kyle lance larry lars lawrence lee leo leon leonard
lewis liam lloyd logan louis lucas luis luke malcolm marcus mario mark marshall martin marty marvin mason matt matthew
maurice max merlin michael miguel mike miles mitch mohammed morpheus morris nathan ned neil nicholas nick nicolas
nigel nino noah norman oliver omar oscar otto owen pablo patrick paul pedro pete peter phil philip pierre ralph ramon
randy ray raymond rex richard rick ricky rob robert robin rodney roger roland roman ron ronald ross roy russell ryan
sam samuel scott sean sebastian seth shane sheldon sidney simon spencer stan stanley stefan stephen steve steven
stuart ted terry theo thomas tim timothy todd tom tommy tony travis tyler vernon victor vincent vito wade walter walt
warren wayne wesley will william xavier zach
""".split()
)
FEMALE = frozenset(
    """
abby abigail ada adele agatha agnes alice alicia alison amanda amber amelia amelie amy ana andrea angela angie anita
ann anna anne annie april ariel audrey barbara beatrice becky bella bernadette beth betty beverly bianca bonnie brenda
bridget britney caitlin camilla carla carmen carol caroline carrie catherine cecilia charlotte chelsea cheryl chloe
christina christine claire clara claudia colleen cora cosette courtney cynthia daisy dana daphne deborah denise diana
diane dolores donna dora doris dorothy edith eileen elaine eleanor elena elizabeth ella ellen ellie elsa emily emma
erica erin esther eva eve evelyn faith felicity fiona flora florence frances gail gemma georgia gina ginny gloria
grace greta gretel gwen hannah harriet hazel heather heidi helen helena hermione holly ida ingrid irene iris isabel
isabella ivy jane janet janice jasmine jean jeannie jenna jennifer jenny jessica jill joan joanna josephine joy joyce
juanita judith judy julia julie juliet june karen kate katherine kathleen kathy katie kayla kelly kim kristen laura
lauren leah lena leslie lily linda lisa lois lola lorraine louise lucia lucille lucy lydia madeline maggie mara
margaret maria marian marie marilyn marjorie martha mary matilda maya megan melanie melissa mia michelle mildred
minnie miranda miriam molly monica nadia nancy naomi natalie natasha nicole nina nora norma olive olivia pamela
patricia paula pauline peggy penelope penny phoebe phyllis polly priscilla rachel rebecca regina rhonda rita roberta
rosa rose rosemary roxanne ruby ruth sabrina sally samantha sandra sara sarah shannon sharon sheila shirley skyler
sofia sonia sophia sophie stacy stella stephanie sue susan suzanne sylvia tamara tanya tara teresa tess tessa thelma
theresa tina tracy trinity ursula valerie vanessa vera veronica victoria violet virginia vivian wanda wendy yolanda
yvonne zoe
""".split()
)
